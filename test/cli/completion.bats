# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
load common

clean_up() {
	"$BIGM" shutdown --all
}

# candidates WORD...: the words alone.
candidates() {
	"$BIGM" completion candidates -- "$@" | cut -f1
}

@test "commands are completed, and said what they do" {
	[ "$(candidates sta)" = "start
status" ]
	[ "$(candidates '' | wc -l)" -eq "$("$BIGM" help | sed -n '/^Commands:/,/^$/p' | grep -c '^  ')" ]
	"$BIGM" completion candidates -- shut | grep -q "^shutdown	End a cluster"
}

# bigm-ec2(5) and bigm-ssh(5) have those of systems, see manual.bats.
@test "every option of every command is offered" {
	local command
	for command in $(candidates ''); do
		diff <("$BIGM" "$command" --help | sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p' | sort) \
			<(candidates "$command" -- | grep -Ev '^--(ec2|ssh)-' | sort)
	done
}

@test "values of options, files, and the program's own words" {
	[ "$(candidates run --as '')" = "auto
driver
job" ]
	[ "$(candidates run --log-dir '')" = :files ]
	[ "$(candidates run --on-demand '')" = :files ]
	[ "$(candidates run '')" = :files ]
	[ "$(candidates run sh -- -c '')" = :files ]
	[ "$(candidates help ver)" = version ]
	[ -z "$(candidates run --name '')" ]
}

@test "living clusters and their machines are offered" {
	[ -z "$(candidates shutdown '')" ]
	"$BIGM" start --name calm -n 2
	"$BIGM" start --name busy
	[ "$(candidates shutdown '' | sort)" = "busy
calm" ]
	[ "$(candidates call --cluster calm m)" = "m0
m1" ]
	[ "$(candidates call --cluster busy '')" = "m0
all" ]
	[ -z "$(candidates call --cluster calm m0 '')" ]
}

@test "where several machines may be named the others are offered" {
	"$BIGM" start --name calm -n 3
	[ "$(candidates tail '')" = "m0
m1
m2
all" ]
	[ "$(candidates tail m1 -p '')" = "m0
m2
all" ]
	[ -z "$(candidates tail all '')" ]
	[ -z "$(candidates exec m0 '')" ]
}

@test "bash completes" {
	PATH=$(dirname "$BIGM"):$PATH
	run bash --norc -c 'source <(bigm completion bash)
COMP_WORDS=(bigm run --as dr) COMP_CWORD=3
_bigm
echo "${COMPREPLY[@]}"
COMP_WORDS=(bigm run --as "" -n) COMP_CWORD=3
_bigm
echo "${COMPREPLY[@]}"
complete -p bigm'
	[ "$output" = "driver
auto driver job
complete -F _bigm bigm" ]
}

@test "zsh completes" {
	PATH=$(dirname "$BIGM"):$PATH
	run zsh -f -c 'compdef() { echo "$@"; }
_describe() { print -l "$candidates[@]"; }
_files() { echo files; }
source <(bigm completion zsh)
words=(bigm help shut) CURRENT=3
_bigm
echo and
words=(bigm run --as "") CURRENT=4
_bigm
echo and
words=(bigm run "") CURRENT=3
_bigm'
	[ "$output" = "_bigm bigm
shutdown:End a cluster and all that belongs to it
and
auto
driver
job
and
files" ]
}

@test "fish completes" {
	PATH=$(dirname "$BIGM"):$PATH
	run fish --no-config -c 'bigm completion fish | source; complete -C "bigm run --as d"; complete -C "bigm run --as "'
	[ "$output" = $'driver\nauto\ndriver\njob' ]
}

@test "detached runs are offered where one may be named" {
	"$BIGM" run -d --name night true
	"$BIGM" wait night --for ended
	[ "$(candidates wait '')" = night ]
	[ "$(candidates tail --cluster n)" = night ]
	[ "$(candidates shutdown ni)" = night ]
	[ -z "$(candidates exec --cluster n)" ]
	"$BIGM" shutdown night
}

@test "an unknown shell is refused" {
	run_bigm completion tcsh
	[ "$status" -eq 2 ]
	[ "$output" = "bigm completion: which shell? usage: bigm completion bash|zsh|fish" ]
}
