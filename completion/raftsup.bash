# SPDX-License-Identifier: BSD-2-Clause
#
# bash completion of raftsup, raftctl, raftnode, raftck and raftsim.
#
# Installed as "raftsup" and, by links, under the other names: bash loads it
# when one of them is completed first. Needs nothing but bash itself.
#
# The tables below are the commands and options of the manual pages.

_raftsup_ids='leader follower followers all 1 2 3 4 5 6 7 8'

# The options of a raftsup command.
_raftsup_options() {
	case $1 in
	start)
		echo '-n -f --durability --election-timeout --heartbeat' \
		    '--lease --log --no-restart --no-death-hint' \
		    '--clients --seed --wait --accept-loss' \
		    '--export --force-new-cluster --yes -j --json'
		;;
	status) echo '-j --json -w' ;;
	kill) echo '-s --hold' ;;
	add) echo '-j --json -t --learner' ;;
	remove | refill | transfer | snapshot) echo '-j --json -t' ;;
	log) echo '-f --kind --recorder --debug -j --json' ;;
	entries) echo '-f' ;;
	counters) echo '-j --json' ;;
	export) echo '-f -j --json' ;;
	scenario) echo '--list --timing --log -j --json' ;;
	torture)
		echo '--time --seed -n --clients --faults' \
		    '--durability --attach -j --json'
		;;
	net) echo '--loss --delay --dup --reorder --cut --seed -j --json' ;;
	partition | heal) echo '-j --json' ;;
	disk) echo '--delay --fail --heal -j --json' ;;
	top) echo '-i --once --size' ;;
	draw) echo '--from --to --title --no-heartbeats' ;;
	backup) echo '-j --json -t' ;;
	restore) echo '-j --json -n --durability' ;;
	esac
	echo '-d --help --version'
}

# What a raftsup command takes as operands.
_raftsup_operands() {
	case $1 in
	start | stop | kill | pause | resume | restart | timeout | log | \
	    remove | refill | transfer | snapshot | partition | disk | \
	    entries | counters | export)
		echo "$_raftsup_ids"
		;;
	scenario)
		echo all
		"${COMP_WORDS[0]}" scenario --list 2>/dev/null | cut -d ' ' -f 1
		;;
	net) echo 'all' ;;
	loglevel) echo "info rpc $_raftsup_ids" ;;
	esac
}

_raftsup_commands='start stop status kill pause resume restart timeout
add remove refill transfer snapshot partition net heal disk log loglevel
entries backup restore counters export scenario torture
top draw'

_raftctl_commands='set get del cas incr append list count noop submit
outcome txn watch lock bench'

_raftctl_options() {
	case $1 in
	'') echo '-d -t -j --json --node --hex -P --help --version' ;;
	set) echo '--ttl --file' ;;
	cas | append | submit) echo '--file' ;;
	watch) echo '--from' ;;
	lock) echo '--ttl' ;;
	get) echo '--stale --read-index --raw' ;;
	list | count) echo '--stale --read-index' ;;
	bench)
		echo '--set --get --mix -n --time -c -P -s -r --rate --keep --distribution -j'
		;;
	esac
}

# _raftsup_reply WORDS: those that begin with what was typed
_raftsup_reply() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_raftsup_files() {
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	compopt -o filenames 2>/dev/null || :
}

_raftsup_directories() {
	mapfile -t COMPREPLY < <(compgen -d -- "$cur")
	compopt -o filenames 2>/dev/null || :
}

# The value of the option before the cursor; 1 when it takes none that is
# known.
_raftsup_value() {
	case $1 in
	-d) _raftsup_directories ;;
	--file | --trace | --trace-tla | --script) _raftsup_files ;;
	--durability) _raftsup_reply 'power process' ;;
	--timing) _raftsup_reply 'fast lab slow' ;;
	--log)
		# A level of raftsup start; a range of raftnode dump.
		COMPREPLY=()
		[ "$2" = dump ] || _raftsup_reply 'info rpc'
		;;
	--faults) _raftsup_reply 'none' ;;
	--node | --force-new-cluster) _raftsup_reply '1 2 3 4 5 6 7 8' ;;
	--fail) _raftsup_reply 'append sync full' ;;
	-s)
		[ "$2" = kill ] || return 1
		_raftsup_reply 'KILL TERM INT HUP STOP CONT SEGV ABRT'
		;;
	-n | -t | -c | -P | -r | --mix | --time | --rate | --seed | --seeds | \
	    --nodes | --steps | --jobs | --clients | --wait | --heartbeat | \
	    --election-timeout | --lease | --kind | --loss | --delay | --dup | \
	    --reorder)
		COMPREPLY=()
		;;
	*) return 1 ;;
	esac
}

# Sets command to the first word that is one of $1, before the cursor.
_raftsup_find_command() {
	local i word known=" ${1//$'\n'/ } "

	command=
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word != -* && $known == *" $word "* ]]; then
			command=$word
			return
		fi
	done
}

_raftsup() {
	local cur=${COMP_WORDS[COMP_CWORD]} command
	local prev=${COMP_WORDS[COMP_CWORD - 1]}

	_raftsup_find_command "$_raftsup_commands"
	_raftsup_value "$prev" "$command" && return
	if [[ $cur == -* ]]; then
		_raftsup_reply "$(_raftsup_options "$command")"
		return
	fi
	case $command in
	'') _raftsup_reply "$_raftsup_commands" ;;
	backup | restore) _raftsup_files ;;
	*) _raftsup_reply "$(_raftsup_operands "$command")" ;;
	esac
}

_raftctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} command
	local prev=${COMP_WORDS[COMP_CWORD - 1]}

	_raftsup_find_command "$_raftctl_commands"
	if [[ -z $command || $prev == -* ]]; then
		_raftsup_value "$prev" "$command" && return
	fi
	if [[ $cur == -* ]]; then
		_raftsup_reply "$(_raftctl_options "$command")"
	elif [[ -z $command ]]; then
		_raftsup_reply "$_raftctl_commands"
	else
		COMPREPLY=()
	fi
}

_raftnode() {
	local cur=${COMP_WORDS[COMP_CWORD]} command
	local prev=${COMP_WORDS[COMP_CWORD - 1]}

	_raftsup_find_command 'dump check compact'
	_raftsup_value "$prev" "$command" && return
	if [[ $cur == -* ]]; then
		_raftsup_reply '--log --meta --state -j --json --help --version'
	elif [[ -z $command ]]; then
		_raftsup_reply 'dump check compact'
	else
		_raftsup_directories
	fi
}

_raftck() {
	local cur=${COMP_WORDS[COMP_CWORD]}

	if [[ $cur == -* ]]; then
		_raftsup_reply '-j --json --help --version'
	else
		_raftsup_files
	fi
}

_raftsim() {
	local cur=${COMP_WORDS[COMP_CWORD]}
	local prev=${COMP_WORDS[COMP_CWORD - 1]}

	_raftsup_value "$prev" sim ||
	    _raftsup_reply '--seed --seeds --nodes --steps --faults --jobs
		--require-coverage --trace --trace-tla --script -v -j --json
		--help --version'
}

complete -F _raftsup raftsup
complete -F _raftctl raftctl
complete -F _raftnode raftnode
complete -F _raftck raftck
complete -F _raftsim raftsim
