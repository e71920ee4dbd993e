#!/usr/bin/env bash
#PBS -N explorer
#PBS -l select=1:ncpus=8:ngpus=1
#PBS -l walltime=24:00:00
#PBS -r y
# The long run of the best arm of a study; handed in again, it goes on where it stopped.
#   qsub -v study=STUDY docs/jobs/pbs.sh
set -euo pipefail
cd "$PBS_O_WORKDIR"
exec explorer pretrain "${study:?usage: qsub -v study=STUDY pbs.sh}" --protocol paper
