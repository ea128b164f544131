# Sourced by install.sh and install-judges.sh: one way to make a virtual
# environment from a file of pinned and hashed requirements.

die() {
	echo "$0: $*" >&2
	exit 1
}

# venv NAME PINS makes .cache/NAME from the requirements file PINS. It is built
# beside its place and renamed there when whole, so an interrupted run leaves
# nothing that could be taken for an environment. The stamp inside names the
# Python and the pins: when both are as before there is nothing to do. Run what
# is in it as bin/python -m MODULE: other scripts know the path before the
# rename.
venv() {
	place=.cache/$1
	stamp=$(python3 -c 'import hashlib, sys
print(sys.version.split()[0], hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$2")
	if [ "$(cat "$place/stamp" 2>/dev/null)" = "$stamp" ]; then
		return
	fi
	mkdir -p .cache
	new=$(mktemp -d ".cache/$1.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	trap 'exit 130' INT TERM HUP
	echo "making $place ..." >&2
	python3 -m venv "$new" || die "python3 cannot make a virtual environment: install python3-venv (Debian, Ubuntu) or python3 (Fedora, Homebrew)"
	"$new/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
		--cache-dir "$PWD/.cache/pip" --require-hashes --requirement "$2" ||
		die "pip could not install what $2 lists"
	echo "$stamp" >"$new/stamp"
	chmod 755 "$new"
	rm -rf "$place"
	python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$new" "$place" ||
		[ "$(cat "$place/stamp" 2>/dev/null)" = "$stamp" ] || die "$place was changed by another run"
}

command -v python3 >/dev/null || die "no python3: install python3 and python3-venv"
