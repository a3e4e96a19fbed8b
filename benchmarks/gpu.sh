#!/bin/sh
# What a GPU does with populations, within ten minutes: writes docs/performance-gpu.md. Needs ontogeny installed, and a
# GPU. Nobody has run it on one yet; it is tried with `DEVICE=cpu benchmarks/gpu.sh --widths 16 --members 1 --rounds 1`.
set -eu
here=$(dirname "$0")
page=docs/performance-gpu.md
printf '%s\n' '# Performance on a GPU' '' '<!-- table -->' '<!-- /table -->' > "$page"
exec timeout 600 python "$here/population.py" --device "${DEVICE:-cuda}" --widths 16 32 64 128 256 \
    --members 1 16 256 1024 --rounds 3 --rivals loop vmap --out "$page" "$@"
