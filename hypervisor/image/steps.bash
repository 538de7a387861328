# Shell functions that run a script's steps: each prints one line with its result and time, keeps
# its output in a log, and shows the end of the log when it failed. To be sourced, with
# `log_directory` set.
#
# A step runs in a session of its own, so that an interrupted script ends all of it, whatever
# process groups it made; and in a shell of its own, where `set -e` holds whatever the caller tests:
# a function that is a step sees all functions, and the variables that are exported.
# shellcheck shell=bash

steps_passed=0
steps_failed=0
# The names of those that failed, for the script's last lines.
# shellcheck disable=SC2034  # read by the scripts that source this file
steps_that_failed=()
step_session=
step_ticker=
# shellcheck disable=SC2034  # read by the scripts that source this file
steps_started=${EPOCHREALTIME/[.,]/}

# elapsed MICROSECONDS: the time since then, in seconds, as `12.3 s`.
elapsed() {
    local tenths=$(((${EPOCHREALTIME/[.,]/} - $1) / 100000))
    printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
}

# session_members: the processes of the running step's session, by their ids.
session_members() {
    local stat fields
    for stat in /proc/[0-9]*/stat; do
        # The name, in parentheses, may hold blanks; after it: state, parent, group, session.
        { IFS= read -r fields <"$stat"; } 2>/dev/null || continue
        read -ra fields <<<"${fields##*) }"
        if [ "${fields[3]-}" = "$step_session" ] && [ "${fields[0]}" != Z ]; then
            stat=${stat#/proc/}
            printf '%s\n' "${stat%/stat}"
        fi
    done
}

# end_step: ends what the running step started and left behind: politely, for at most 5 seconds.
end_step() {
    [ -n "$step_session" ] || return 0
    local signal=TERM members turn
    for ((turn = 0; turn < 100; turn++)); do
        members=$(session_members)
        [ -n "$members" ] || break
        [ "$turn" -lt 50 ] || signal=KILL
        # shellcheck disable=SC2086  # one word for each process
        [ $((turn % 50)) -ne 0 ] || kill -$signal $members 2>/dev/null || true
        sleep 0.1
    done
    step_session=
}

# ticker NAME STARTED: shows on a terminal how long a step takes, until it is killed.
ticker() {
    local silence
    exec {silence}<> <(:)
    while ! read -rt 1 -u "$silence"; do printf '\r%-34s %17s' "$1" "$(elapsed "$2")"; done
}

# end_ticker: ends it, and leaves the cursor where the step's result is to stand. It is none of the
# shell's jobs: a trap that runs inside `wait` and waits again may wait for ever.
end_ticker() {
    [ -n "$step_ticker" ] || return 0
    local turn
    for ((turn = 0; turn < 50; turn++)); do
        kill "$step_ticker" 2>/dev/null || break
        sleep 0.02
    done
    step_ticker=
}

# A running step's output goes to its log; this descriptor stays with the person who waits.
exec 3>&1

interrupt_steps() {
    trap '' INT TERM HUP
    end_ticker
    end_step
    printf '\ninterrupted\n' >&3
    exit 130
}
trap interrupt_steps INT TERM HUP
trap end_step EXIT

# run_apart COMMAND ...: runs a command in a session of its own; returns its status.
run_apart() {
    local status=0
    setsid setpriv --pdeathsig TERM \
        bash -euo pipefail -c "$(declare -f); \"\$@\"" "$0" "$@" 3>&- 9>&- &
    step_session=$!
    wait "$step_session" || status=$?
    end_step
    return "$status"
}

# step NAME COMMAND ...: runs one step with its output in a log. Returns its status.
step() {
    local name=$1 started=${EPOCHREALTIME/[.,]/} status=0 log
    shift
    log=${log_directory:?}/${name//[^a-z0-9]/-}.log
    if [ -t 1 ]; then
        printf '%-34s' "$name"
        ticker "$name" "$started" &
        step_ticker=$!
        disown "$step_ticker"
    fi
    run_apart "$@" >"$log" 2>&1 </dev/null || status=$?
    end_ticker
    [ ! -t 1 ] || printf '\r'
    printf '%-34s ' "$name"
    if [ "$status" -eq 0 ]; then
        steps_passed=$((steps_passed + 1))
        printf '%-6s %10s\n' ok "$(elapsed "$started")"
    else
        steps_failed=$((steps_failed + 1))
        steps_that_failed+=("$name")
        printf '%-6s %10s\n' FAILED "$(elapsed "$started")"
        # What Swift's tests say of a failure, else the end of the log.
        { grep -E -A 4 '✘ .* recorded an issue| error: ' "$log" || tail -n 60 "$log"; } |
            cut -c 1-2000 | head -n 80 | sed 's/^/    | /'
        printf '    the whole log: %s\n' "$log"
    fi
    return "$status"
}

# shown_step NAME COMMAND ...: like `step`, with the output shown as it comes.
shown_step() {
    local name=$1 started=${EPOCHREALTIME/[.,]/} status=0
    shift
    printf '%s\n' "$name"
    run_apart "$@" </dev/null || status=$?
    if [ "$status" -eq 0 ]; then
        steps_passed=$((steps_passed + 1))
        printf '%-34s %-6s %10s\n' "$name" ok "$(elapsed "$started")"
    else
        steps_failed=$((steps_failed + 1))
        steps_that_failed+=("$name")
        printf '%-34s %-6s %10s\n' "$name" FAILED "$(elapsed "$started")"
    fi
    return "$status"
}

# skip NAME REASON: a step that is not run says so.
skip() { printf '%-34s %-6s %s\n' "$1" - "$2"; }

# need_swift: ends the script, with 2, when no Swift 6.3 is on PATH.
need_swift() {
    local version
    version=$(swift --version 2>/dev/null |
        sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p') || true
    case $version in
        6.3) return 0 ;;
        '') echo "swift is not on PATH: install Swift 6.3 for Debian 12 from swift.org" >&2 ;;
        *) echo "swift on PATH is $version; Casemate is built with Swift 6.3" >&2 ;;
    esac
    exit 2
}
