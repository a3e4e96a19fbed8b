#!/bin/sh
# What a GPU does, within ten minutes: writes docs/performance-gpu.md and its pictures. Needs ontogeny installed, and a
# GPU. It is tried with `DEVICE=cpu PAGE=/tmp/page.md benchmarks/gpu.sh --quick`.
set -u
here=$(dirname "$0")
device=${DEVICE:-cuda}
page=${PAGE:-docs/performance-gpu.md}
printf '%s\n' '# Performance on a GPU' > "$page"
for part in populations growth study; do printf '\n<!-- %s -->\n<!-- /%s -->\n' $part $part >> "$page"; done
# A part that is cut short leaves what it has: the table grows row by row.
timeout 330 python "$here/population.py" --device "$device" --networks transformer --members 1 16 256 1024 \
    --rounds 3 --rivals loop vmap --out "$page" "$@"
timeout 120 python "$here/growth.py" --device "$device" --out "$page" "$@"
timeout 150 python "$here/study.py" --device "$device" --steps 100 --pairs 1 --out "$page" "$@"
