#!/usr/bin/env bash
# Reads what criterion prints of a comparison, and names what is slower than before by more than the limit.
# Exit 0: nothing. 3: something.
set -euo pipefail
percent_max=20

# "time: [-1.2% +0.3% +1.9%] (p = ...)" below "change:", after the line with the name of the benchmark.
awk -v percent_max="$percent_max" '
    /^[a-z]+\/[A-Za-z0-9\/]+/ { name = $1 }
    /change:/ { changes = 1 }
    changes && /\[.*%.*%.*%\]/ {
        split($0, parts, /[\[\]]/); split(parts[2], figures, " ")
        low = figures[1]; sub(/%/, "", low); sub(/\xe2\x88\x92/, "-", low)
        # The least that it can be, by its confidence interval: noise alone is no finding.
        if (low + 0 > percent_max) { print name " is slower by at least " low " %"; found = 1 }
        changes = 0
    }
    END { exit found ? 3 : 0 }
' "$1"
