// Package service runs doorward: it loads a configuration, activates it, and
// reloads it when a file, a bundle or SIGHUP asks for it.
//
//	first, problems := service.Load(ctx, source)
//	if first == nil {
//		return problems
//	}
//	s, err := service.New(options, first)
//	if err != nil {
//		return err
//	}
//	err = s.Run(ctx, hangup)
//
// A [Revision] is a configuration and its policy, compiled and tested. A reload
// makes the next one as a whole, and activates it or leaves the one before in
// force. Each Check finishes with the revision that it began with.
package service
