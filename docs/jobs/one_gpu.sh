#!/usr/bin/env bash
# A search on one GPU, and the long run of its best arm: on a machine with one GPU.
set -euo pipefail
study=${1:?usage: one_gpu.sh STUDY}
explorer check "$study"
explorer run-study "$study" --protocol gpu --set keep=best
explorer pretrain "$study@gpu" --protocol paper
