load common

@test "version prints one line with the version" {
    run_bigm version
    [ "$status" -eq 0 ]
    [[ $output =~ ^bigm\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "version -v also tells how bigm was built" {
    run_bigm version -v
    [ "$status" -eq 0 ]
    [[ $output == *"libuv "* ]]
}
