package service

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestASocketIsClosedUntilItHasItsMode: no client connects in between.
func TestASocketIsClosedUntilItHasItsMode(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the folder keeps others out")
	}
	path := filepath.Join(t.TempDir(), "s")
	listener, err := (&net.ListenConfig{Control: closedToAll}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestNothingIsSetForTheWholeProcess that every other file or goroutine would
// notice: the umask, the working directory, the user.
func TestNothingIsSetForTheWholeProcess(t *testing.T) {
	root := filepath.Join("..", "..")
	banned := []string{"Umask", "Chdir", "Fchdir", "Chroot", "Setuid", "Setgid"}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && name != root:
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok {
				from, _ := call.X.(*ast.Ident)
				for _, name := range banned {
					if from != nil && (from.Name == "syscall" || from.Name == "os" || from.Name == "unix") && call.Sel.Name == name {
						t.Errorf("%s calls %s.%s", parsed.Name, from.Name, name)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
