#!/usr/bin/env bash
# A search on all GPUs of one machine: a trial per GPU, as many at a time as there are.
set -euo pipefail
study=${1:?usage: eight_gpus.sh STUDY}
gpus=$(nvidia-smi --list-gpus | wc -l)
explorer run-study "$study" --protocol gpu --set keep=best --workers "$gpus"
explorer export "$study@gpu" --output "weights-$study"
