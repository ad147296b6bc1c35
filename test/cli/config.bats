# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
load common

# write_config LINE...: the user's configuration.
write_config() {
	mkdir -p "$XDG_CONFIG_HOME/bigm"
	printf '%s\n' "$@" >"$XDG_CONFIG_HOME/bigm/config"
}

# The words of the line about a setting.
words_of() {
	"$BIGM" config | sed -n "s/^$1  *//p" | tr -s ' '
}

@test "each setting has a value and an origin" {
	run_bigm config
	[ "$status" -eq 0 ]
	[[ ${lines[0]} =~ ^SETTING\ +VALUE\ +FROM$ ]]
	[ "$(words_of system)" = "local default" ]
	write_config '# mine' '' 'n = 4' 'log-dir = /some/where' '[other]' 'n = 9'
	export BIGM_PROCS=3 BIGM_LOG_DIR=/else/where BIGM_DEBUG=yes
	[ "$(words_of n)" = "4 $XDG_CONFIG_HOME/bigm/config:3" ]
	[ "$(words_of log-dir)" = "/else/where BIGM_LOG_DIR" ]
	[ "$(words_of procs)" = "3 BIGM_PROCS" ]
	[ "$(words_of debug)" = "1 BIGM_DEBUG" ]
	[ "$(words_of cluster)" = "made up default" ]
}

@test "settings of systems are shown, too, and checked" {
	[ "$(words_of ec2-type)" = "m5.large default" ]
	[ "$(words_of ec2-ami)" = "the flavor's newest image default" ]
	write_config 'n = 4' '[ec2]' 'type = large'
	run_bigm config
	[ "$status" -eq 2 ]
	[ "$output" = "bigm config: $XDG_CONFIG_HOME/bigm/config:3: type=large: must be a type of instance, such as m5.large" ]
	write_config 'n = 4' '[ec2]' 'type = c5.large, m5.xlarge' 'tag = a=b' 'tag = c=d' 'max-cost = 3'
	[ "$(words_of ec2-type)" = "c5.large,m5.xlarge $XDG_CONFIG_HOME/bigm/config:3" ]
	[ "$(words_of ec2-tag)" = "a=b c=d $XDG_CONFIG_HOME/bigm/config:5" ]
	export BIGM_EC2_TYPE=m3.medium BIGM_EC2_ON_DEMAND=yes
	[ "$(words_of ec2-type)" = "m3.medium BIGM_EC2_TYPE" ]
	[ "$(words_of ec2-on-demand)" = "1 BIGM_EC2_ON_DEMAND" ]
	write_config '[ssh]' 'host = a,b:x'
	run_bigm config
	[ "$status" -eq 2 ]
	[[ $output == *':2: host=a,b:x: "x": processors are'* ]]
	write_config '[ssh]' 'host = a,b:4'
	[ "$(words_of ssh-host)" = "a,b:4 $XDG_CONFIG_HOME/bigm/config:2" ]
	[ "$(BIGM_SSH_HOSTS=f words_of ssh-hosts)" = "f BIGM_SSH_HOSTS" ]
	[ "$(BIGM_SSH_HOSTS=f words_of ssh-host)" = "none default" ]
	# Others let them pass, right or wrong.
	BIGM_EC2_TYPE=none run_bigm run -n 1 echo -- x
	[ "$output" = x ]
	"$BIGM" config --json >out
	python3 - <<-'END'
		import json
		settings = {s["name"]: (s["value"], s["from"]) for s in json.load(open("out"))}
		assert settings["ec2-type"] == ("m3.medium", "BIGM_EC2_TYPE"), settings
		assert settings["ec2-max-price"] == (None, "default"), settings
	END
}

@test "without XDG_CONFIG_HOME the configuration is in ~/.config" {
	mkdir -p "$HOME/.config/bigm"
	echo "n = 5" >"$HOME/.config/bigm/config"
	unset XDG_CONFIG_HOME
	[ "$(words_of n)" = "5 $HOME/.config/bigm/config:1" ]
}

@test "--json is a list" {
	write_config 'n = 4' 'cluster = mine'
	BIGM_QUIET=1 "$BIGM" config --json >out
	python3 - <<-'END'
		import json, os
		settings = {s["name"]: (s["value"], s["from"]) for s in json.load(open("out"))}
		config = os.environ["XDG_CONFIG_HOME"] + "/bigm/config"
		assert settings["n"] == (4, config + ":1"), settings
		assert settings["cluster"] == ("mine", config + ":2"), settings
		assert settings["quiet"] == (True, "BIGM_QUIET"), settings
		assert settings["procs"] == (None, "default"), settings
		assert settings["debug"] == (False, "default"), settings
	END
}

@test "the settings are what run goes by" {
	write_config 'n = 3'
	run_bigm run echo -- x
	[ "$output" = $'x\nx\nx' ]
	BIGM_N=2 run_bigm run echo -- x
	[ "$output" = $'x\nx' ]
	run_bigm run -n 1 echo -- x
	[ "$output" = x ]
}

# refused TEXT: config and run say so, in one line, with status 2.
refused() {
	local command
	for command in config run\ true start; do
		# shellcheck disable=SC2086 # two words
		run_bigm $command
		echo "$output"
		[ "$status" -eq 2 ] || return
		[ "$output" = "bigm ${command%% *}: $1" ] || return
	done
}

@test "a broken configuration is told with its line" {
	local file="$XDG_CONFIG_HOME/bigm/config"
	write_config 'n = 4' '' 'nonsense'
	refused "$file:3: neither NAME = VALUE nor [SECTION]"
	write_config 'n = 4' 'sytem = local'
	refused "$file:2: bigm has no setting sytem; did you mean system?"
	write_config 'n = four'
	refused "$file:1: n=four: must be a whole number from 0 to 100000"
	write_config '#' "log-dir = /$(printf '%0300d' 0)"
	refused "$file:2: the line has more than 198 bytes"
	rm "$file"
	mkdir "$file"
	refused "$file: Is a directory"
	rmdir "$file"
	BIGM_PROC=3 run_bigm config
	[ "$status" -eq 2 ]
	[ "$output" = "bigm config: BIGM_PROC: bigm has no setting proc; did you mean procs?" ]
}

@test "an unreadable configuration is told" {
	write_config 'n = 4'
	chmod 0 "$XDG_CONFIG_HOME/bigm/config"
	[ -r "$XDG_CONFIG_HOME/bigm/config" ] && skip "root reads everything"
	refused "$XDG_CONFIG_HOME/bigm/config: Permission denied"
}

@test "a full standard output is told" {
	run bash -c '"$BIGM" config >/dev/full'
	[ "$status" -eq 1 ]
	[ "$output" = "bigm config: standard output: No space left on device" ]
}
