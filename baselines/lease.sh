#!/usr/bin/env bash
# Fresh seeds of the triage at full width on all of CIFAR-10, on a GPU that is lent for 15 minutes: a machine that has
# PyTorch, reaches nothing, and to which 64 MiB can be sent at a time. What stays on it lies in LEASE (.cache/lease).
#
# Here, once:
#   baselines/lease.sh cut          the folder SETS of the data -> .cache/pieces, 47 MiB each, with their sums
# There, one call for every piece, with the sums in each (LIMIT is the seconds that a call may take, 420):
#   baselines/lease.sh join         the pieces in .cache/pieces -> data, as soon as all are there
#   baselines/lease.sh run          a training step measured once, then seed after seed of the triage, from SEED (9) on
# Here again:
#   baselines/lease.sh unpack DIR   the files that `run` left in OUT (LEASE/out) -> results
#
# Each seed is 31 networks and the control. OUT has at most 8 files of less than 16 MiB, and all records of the machine
# so far, so a call that ends early loses one run at most and the next call goes on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
LEASE="$(realpath -m "${LEASE:-.cache/lease}")"
OUT="$(realpath -m "${OUT:-$LEASE/out}")"
PIECES="$(realpath -m "${PIECES:-.cache/pieces}")"
SETS=${SETS:-CIFAR-10}
GRID=(triage --dataset cifar10 --edition small --set "width=1,images=all")
ONLY='*[zwr][eo][ndl]-s' # frozen, thawed and the control; the parent comes with them

fail() {
  echo "lease: $*" >&2
  exit 1
}

cut_data() {
  rm -rf "$PIECES"
  mkdir -p "$PIECES"
  tar -C "${NETPRESS_DATA:-data}" -cf - "$SETS" | split -b "${SIZE:-47M}" -d - "$PIECES/piece."
  (cd "$PIECES" && sha256sum piece.* >SUMS && ls)
}

join_data() {
  mkdir -p "$LEASE/pieces" "$LEASE/data"
  cp "$PIECES"/* "$LEASE/pieces/"
  if (cd "$LEASE/pieces" && sha256sum --quiet --check SUMS); then
    cat "$LEASE"/pieces/piece.* | tar -C "$LEASE/data" -xf -
    echo "lease: all data are here"
  else
    echo "lease: send the other pieces too, and those that do not match again"
  fi
}

left() { # seconds of this call
  echo $((${LIMIT:-420} - SECONDS))
}

netpress() { # a command of netpress, told to end when the time is up; it keeps what it has
  echo "lease: $* (at most $(left) seconds)"
  timeout --kill-after=30 "$(left)" "${PYTHON:-python3}" -m netpress.cli "$@"
}

run_grid() {
  [ -d "$LEASE/data/$SETS" ] || fail "the data are not here: send the pieces and call join first."
  export NETPRESS_DATA="$LEASE/data" NETPRESS_RESULTS="$LEASE/results" NETPRESS_CACHE="$LEASE/cache"
  export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
  export CUDA_MPS_PIPE_DIRECTORY="$LEASE/mps" CUDA_MPS_LOG_DIRECTORY="$LEASE/mps"
  mkdir -p "$NETPRESS_RESULTS" "$LEASE/mps" "$OUT"
  rm -f "$OUT"/records.tar.gz.*
  nvidia-cuda-mps-control -d || unset CUDA_MPS_PIPE_DIRECTORY # without it, networks take turns
  trap finish EXIT
  [ -f "$NETPRESS_RESULTS/bench/cuda/step-128.json" ] || netpress bench step-128 || true
  for seed in $(seq "${SEED:-9}" $((${SEED:-9} + 8))); do
    [ "$(left)" -gt 20 ] || break
    netpress run "${GRID[@]}" --only "$ONLY$seed" --seeds "$seed" || break
  done
}

finish() {
  [ -z "${CUDA_MPS_PIPE_DIRECTORY:-}" ] || echo quit | nvidia-cuda-mps-control || true
  tar -C "$NETPRESS_RESULTS" --exclude='*.lock' --exclude='*.tmp' --exclude='*.now' -czf - . |
    split -b 15M -d - "$OUT/records.tar.gz."
}

unpack() {
  [ -f "${1:-}/records.tar.gz.00" ] || fail "there is no records.tar.gz.00 in '${1:-}': name the folder of what came back."
  mkdir -p "${RESULTS:-results}"
  cat "$1"/records.tar.gz.* | tar -C "${RESULTS:-results}" --skip-old-files -xzf -
}

case "${1:-}" in
  cut) cut_data ;;
  join) join_data ;;
  run) run_grid 2>&1 | tee "$LEASE/run.log" ;;
  unpack) unpack "${2:-}" ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
esac
