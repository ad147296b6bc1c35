load common

bootstrap=$abs_top_srcdir/bootstrap

# only COMMAND...: a PATH, bin, with nothing but these.
only() {
    mkdir bin
    for command; do
        ln -s "$(command -v "$command")" bin/
    done
}

# fake COMMAND SCRIPT: one more in bin.
fake() {
    printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
    chmod +x "bin/$1"
}

libuv_is_missing='case $* in *libuv1-dev*) ;; *) echo install ok installed ;; esac'

@test "bootstrap without a command says how it is used" {
    run "$bootstrap"
    [ "$status" -eq 0 ]
    [[ $output == usage:* ]]
    run "$bootstrap" brew
    [ "$status" -eq 2 ]
    [[ $output == usage:* ]]
}

@test "bootstrap elsewhere than on Debian says in one line what to do" {
    only dirname
    PATH=$PWD/bin run "$bootstrap" run
    [ "$status" -eq 1 ]
    [[ $output == "bootstrap: this is not Debian; "*packages.debian* ]]
}

@test "bootstrap as a user without sudo names the command that is missing" {
    only dirname sed
    fake dpkg-query "$libuv_is_missing"
    fake id 'echo 1000'
    PATH=$PWD/bin run "$bootstrap" run
    [ "$status" -eq 1 ]
    [ "${lines[-1]}" = "bootstrap: neither root nor sudo to install packages with; as root: apt-get install libuv1-dev" ]
}

@test "bootstrap installs only what is missing, once" {
    only dirname sed env
    fake dpkg-query "$libuv_is_missing"
    fake id 'echo 0'
    fake apt-get "echo \"\$@\" >>'$PWD/apt'; case \$* in *update*) ;; *) exit 1 ;; esac"
    PATH=$PWD/bin run "$bootstrap" run
    [ "$status" -eq 1 ]
    [ "${lines[-1]}" = "bootstrap: apt-get could not install libuv1-dev" ]
    [ "$(grep -c update apt)" -eq 1 ]
    grep -q 'install --no-install-recommends libuv1-dev$' apt
}
