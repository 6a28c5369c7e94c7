<?php
// Says under which names this program finds what a client sent: headers, as the
// server hands them over, and, of each line of a body, the parameter it spells.
header('content-type: application/json');
$headers = [];
foreach (getenv() as $name => $value) {
    if (strncmp($name, 'HTTP_', 5) === 0) $headers[base64_encode($name)] = base64_encode($value);
}
$parameters = [];
foreach (explode("\n", rtrim(file_get_contents('php://input'), "\n")) as $line) {
    parse_str(base64_decode($line) . '=v', $found);
    $parameters[] = array_map(fn($key) => base64_encode((string)$key), array_keys($found));
}
echo json_encode(['headers' => (object)$headers, 'parameters' => $parameters]);
