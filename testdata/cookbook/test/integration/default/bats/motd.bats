@test "the greeting is there" {
  grep galley_demo /etc/motd
}

@test "anybody may read it" {
  run stat -c %a /etc/motd
  [ "$output" = 644 ]
}
