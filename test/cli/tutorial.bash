# docs/tutorials.md, for bats files: `load tutorial` after `load common`.
# shellcheck shell=bash

page=${abs_top_srcdir:?}/docs/tutorials.md

# blocks LANGUAGE SECTION: those of the section whose title begins so.
blocks() {
    awk -v language="$1" -v section="## $2" '/^## / { here = index($0, section) == 1 }
	/^```/ { on = here && $0 == "```" language; next } on' "$page"
}

# prepare SECTION: a folder like a build tree's, and what the section says in the files commands and expected.
prepare() {
    ln -s "$BIGM" bigm
    ln -s "${abs_top_builddir:?}/examples" examples
    ln -s "$abs_top_srcdir/man" man
    cp "$abs_top_srcdir/README.md" .
    blocks sh "$1" >commands
    blocks text "$1" >expected
    [ -s commands ]
    [ -s expected ]
}

# tutorial SECTION [FILTER...]: runs its commands in one shell, and compares; both sides through the filter, if there is one.
tutorial() {
    prepare "$1"
    shift
    [ $# -gt 0 ] || set -- cat
    bash commands >printed 3>&-
    diff <("$@" <expected) <("$@" <printed)
}

# aws_there: `aws` is Debian's awscli, with an endpoint for the variable that it is too old for.
aws_there() {
    mkdir -p bin
    # shellcheck disable=SC2016 # the script's shell expands it
    printf '#!/bin/sh\nexec /usr/bin/aws --endpoint-url "$AWS_ENDPOINT_URL" --no-cli-pager "$@"\n' >bin/aws
    chmod +x bin/aws
    PATH=$PWD/bin:$PATH
}
