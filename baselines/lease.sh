#!/usr/bin/env bash
# From a bare machine with a GPU to records: for a machine that is lent for minutes, to which little can be sent at a
# time, and which has PyTorch and reaches nothing. All that stays on it lies in LEASE (.cache/lease), which git ignores.
#
# Here, once:
#   baselines/lease.sh cut [SIZE]       the data folder -> .cache/pieces, of at most SIZE (40M) each
# There, a call each, within LIMIT (470) seconds. What a call did not reach, the next one does; it ended with status 124:
#   baselines/lease.sh join             the pieces in .cache/pieces -> data; every file that is whole by now is checked
#   baselines/lease.sh tests            the tests that need a GPU
#   baselines/lease.sh bench [PART]     one part of the bench, or those of PARTS that have no record
#   baselines/lease.sh large            what is missing of the edition large, in the order of LARGE
#   baselines/lease.sh small            the same of the edition small: seconds a network, and its claims are decided
# Here again:
#   baselines/lease.sh unpack FOLDER    the files that the last four leave in OUT (LEASE/out) -> results
#
# OUT then holds all records of the machine, and the log of the call: at most 8 files of less than 16 MiB. A machine
# that is new goes on from the records in results. NETPRESS_COMMIT says which commit it is where git cannot.
# TOY=1 does a moment of everything, on the digits.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

LEASE="$(realpath -m "${LEASE:-.cache/lease}")"
OUT="$(realpath -m "${OUT:-$LEASE/out}")"
PIECES="$(realpath -m "${PIECES:-.cache/pieces}")"
RESULTS="$(realpath -m "${RESULTS:-results}")"
SETS=(CIFAR-10 CIFAR-100 MNIST Stanford-Dogs Flowers-102) # those come first that are needed first
PARTS=(step-128 step-512 triage-grid triage-grid-full whole-grid together)
LARGE=("triage --dataset cifar10" "triage --dataset cifar100" "triage --dataset mnist" "triage --dataset dogs" pyramid
  compressing)
edition=large quick=() workers=() bench=cuda
NEEDED=300 # seconds that a part of the bench may take
if [ -n "${TOY:-}" ]; then
  PARTS=(step-128 triage-grid)
  LARGE=("triage --only *block5-mean* --set images=64,width=0.0625,epochs=1,parent_epochs=1"
    "pyramid --only *svgg5-forward-scratch* --set images=64,width=0.0625,epochs=1"
    "compressing --only *six-layer-shared-4b-5x-untuned*
      --set pruned_images=64,six_layer_width=0.0625,parent_epochs=1,retrain_epochs=1")
  edition=demo quick=(--quick) workers=(--workers 1) bench=quick
fi

fail() {
  echo "lease: $*" >&2
  exit 1
}

left() { # seconds of this call, at least 1
  local seconds=$((${LIMIT:-470} - SECONDS))
  echo $((seconds > 1 ? seconds : 1))
}

cut_data() {
  local data="${NETPRESS_DATA:-data}" work number name
  work="$(mktemp -d)"
  (cd "$data" && for set in "${SETS[@]}"; do [ ! -d "$set" ] || find "$set" -type f | LC_ALL=C sort; done) >"$work/files"
  [ -s "$work/files" ] || fail "no data set lies in $data: name their folder in NETPRESS_DATA."
  (cd "$data" && xargs -d '\n' sha256sum <"$work/files") >"$work/SHA256SUMS"
  tar -cf - -C "$work" SHA256SUMS -C "$(realpath "$data")" -T "$work/files" | split -b "${1:-40M}" -d - "$work/piece."
  rm -rf "$PIECES"
  mkdir -p "$PIECES"
  number="$(find "$work" -name 'piece.*' | wc -l)"
  for piece in "$work"/piece.*; do # a piece's name says which it is, of how many, and how its SHA-256 begins
    name="${piece##*.}of$number-$(digest "$piece")"
    mv "$piece" "$PIECES/$name"
    echo "$PIECES/$name"
  done
  rm -rf "$work"
}

digest() {
  sha256sum <"$1" | head -c 16
}

join_data() {
  local name number stream=() have=0 all=0 unpacked="$LEASE/unpacked"
  mkdir -p "$LEASE/pieces" "$LEASE/data"
  for piece in "$PIECES"/[0-9]*; do
    [ -f "$piece" ] || fail "there is no piece in $PIECES: send some."
    name="$(basename "$piece")"
    [ "$(digest "$piece")" = "${name#*-}" ] || fail "the piece $name is damaged: send it again."
    rm -f "$LEASE/pieces/${name%%of*}of"*
    cp "$piece" "$LEASE/pieces/"
  done
  number="${name%%-*}" number="${number#*of}"
  for piece in "$LEASE/pieces/"*"of$number-"*; do # up to the first that is missing
    [ "$((10#$(basename "${piece%%of"$number"-*}")))" -eq "${#stream[@]}" ] || break
    stream+=("$piece")
  done
  rm -rf "$unpacked"
  mkdir "$unpacked"
  cat ${stream[@]+"${stream[@]}"} | tar -xf - -C "$unpacked" 2>/dev/null || true # ends within a file until all are here
  [ -f "$unpacked/SHA256SUMS" ] || fail "the first piece is not here: send it."
  while read -r sum file; do
    all=$((all + 1))
    if [ ! -f "$unpacked/$file" ] || [ "$(sha256sum <"$unpacked/$file")" != "$sum  -" ]; then continue; fi
    mkdir -p "$(dirname "$LEASE/data/$file")"
    mv -f "$unpacked/$file" "$LEASE/data/$file"
    have=$((have + 1))
  done <"$unpacked/SHA256SUMS"
  rm -rf "$unpacked"
  echo "lease: ${#stream[@]} of $number pieces, $have of $all files"
  [ "${#stream[@]}" -lt "$number" ] || [ "$have" -eq "$all" ] || fail "not every file is as it was: cut the data anew."
}

surroundings() { # of what computes
  export NETPRESS_DATA="$LEASE/data" NETPRESS_RESULTS="$LEASE/results" NETPRESS_CACHE="$LEASE/cache" OMP_NUM_THREADS=1
  export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
  mkdir -p "$OUT" "$LEASE/data" "$NETPRESS_RESULTS"
  rm -f "$OUT"/records.tar.gz.* "$OUT"/*.log
  for known in large small bench/cuda; do # records that are here already
    [ ! -d "$RESULTS/$known" ] || tar -C "$RESULTS" -cf - "$known" | tar -C "$NETPRESS_RESULTS" --skip-old-files -xf -
  done
  trap pack EXIT
}

pack() {
  local status=$?
  tar -C "$NETPRESS_RESULTS" --exclude='*.lease' --exclude='*.lock' --exclude='*.tmp' -czf - . |
    split -b 15M -d - "$OUT/records.tar.gz."
  [ "$(find "$OUT" -type f | wc -l)" -le 8 ] || echo "lease: more than 8 files in $OUT" >&2
  exit "$status"
}

timed() { # a command, ended in time; its status, 124 where time ran out
  local status=0
  echo "lease: $* (at most $(left) seconds)"
  timeout --kill-after="${PATIENCE:-30}" "$(left)" "$@" || status=$?
  [ "$status" -ne 137 ] || status=124 # it did not end when it was told to
  return "$status"
}

netpress() {
  timed "${PYTHON:-python3}" -m netpress.cli "$@"
}

the_tests() {
  local files
  mapfile -t files < <(grep -l 'mark\.gpu' tests/test_*.py) # others need packages that are not here
  timed "${PYTHON:-python3}" -m pytest -p no:cacheprovider -m gpu -rs "${files[@]}"
}

the_bench() { # what fails does not keep the next part from being measured; what may not end in time does not begin
  local part failed=0 status begun=0
  for part in "${@:-${PARTS[@]}}"; do
    if [ $# -eq 0 ] && [ -f "$NETPRESS_RESULTS/bench/$bench/$part.json" ]; then continue; fi
    if [ "$begun" -eq 1 ] && [ "$(left)" -lt "$NEEDED" ]; then
      echo "lease: $part is for the next call"
      return 124
    fi
    begun=1 status=0
    netpress bench "$part" ${quick[@]+"${quick[@]}"} || status=$?
    [ "$status" -ne 124 ] || return 124
    failed=$((failed ? failed : status))
  done
  return "$failed"
}

the_small() {
  [ -n "${TOY:-}" ] || edition=small
  the_large
}

the_large() { # networks compute side by side on the GPU by NVIDIA's MPS, where that is there
  local part failed=0 status words
  nvidia-cuda-mps-control -d >/dev/null 2>&1 || true
  for part in "${LARGE[@]}"; do
    read -ra words -d '' <<<"$part" || true
    status=0
    netpress run "${words[@]}" --edition "$edition" ${workers[@]+"${workers[@]}"} || status=$?
    [ "$status" -ne 124 ] || return 124
    failed=$((failed ? failed : status))
  done
  return "$failed"
}

unpack() {
  [ -f "${1:-}/records.tar.gz.00" ] || fail "there is no records.tar.gz.00 in '${1:-}': name the folder of what came back."
  mkdir -p "$RESULTS"
  cat "$1"/records.tar.gz.* | tar -C "$RESULTS" -xzf -
}

command="${1:-}"
shift || true
case "$command" in
  cut) cut_data "$@" ;;
  join) join_data ;;
  tests | bench | large | small)
    surroundings
    "the_$command" "$@" 2>&1 | tee "$OUT/$command.log"
    ;;
  unpack) unpack "$@" ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
esac
