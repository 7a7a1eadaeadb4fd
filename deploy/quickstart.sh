#!/usr/bin/env bash
# The whole promise in one command, on this machine alone: a real Kafka, 200,000 records, the agent beside it, a bad deploy,
# and both topics put back as they were one millisecond before, compared record by record by a consumer that is not ours.
#
#   deploy/quickstart.sh          tells the story and leaves nothing behind
#   deploy/quickstart.sh --keep   leaves broker and agent running for you to play with, until Ctrl-C
#
# Needs Node 20 or newer (the project brings its own Node 24), a JDK of 17 or newer, and Maven. Everything that is fetched or built
# is kept in node_modules/ and .cache/; everything that runs listens on 127.0.0.1 only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

refuse() {
  printf 'quickstart: %s\n' "$1" >&2
  exit 2
}

for argument in "$@"; do
  case "$argument" in
    --keep) ;;
    -h | --help)
      sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) refuse "unknown argument $argument (there is --keep)" ;;
  esac
done

command -v node >/dev/null || refuse 'Node is not installed; version 20 or newer is needed.'
node_major="$(node -p 'process.versions.node.split(".")[0]')"
((node_major >= 20)) || refuse "Node $(node --version) is too old; version 20 or newer is needed."
command -v npm >/dev/null || refuse 'npm is not installed; it comes with Node.'
command -v javac >/dev/null || refuse 'javac is not installed; a JDK (not only a runtime) of 17 or newer is needed.'
java_major="$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')"
((${java_major:-0} >= 17)) || refuse "Java ${java_major:-?} is too old; a JDK of 17 or newer is needed."
command -v mvn >/dev/null || refuse 'Maven (mvn) is not installed; it fetches the jars of Kafka.'

if ! node deploy/quickstart/is-installed.mjs; then
  echo 'Installing what package-lock.json names (npm ci) ...'
  npm ci --no-audit --no-fund --loglevel=error
fi

# From here on everything is one process, which starts the others and stops them again. kafkajs 2.2.4, which asks whether the
# broker is ready, arms a timer with a negative delay, and Node 24 would remark on it.
exec node_modules/.bin/node --disable-warning=TimeoutNegativeWarning deploy/quickstart/main.ts "$@"
