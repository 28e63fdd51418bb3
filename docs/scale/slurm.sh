#!/bin/bash
# `lucas-habitat classify` or `train` on a Ray cluster at an HPC centre. A template: it was not run.
#
#   sbatch docs/scale/slurm.sh classify /scratch/me/photos --model /scratch/me/model --out /scratch/me/run --no-cache
#   sbatch docs/scale/slurm.sh train /scratch/me/split.csv --recipe finetune --validation-split 0.2 \
#     --checkpoints /scratch/me/checkpoints --out /scratch/me/model
#
# Ended by the time limit or a lost node, the job goes on when it is submitted again with the same folders.
# They must lie on the parallel file system, which all nodes see under the same path.
#SBATCH --job-name=lucas-habitat
#SBATCH --nodes=10
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem-per-cpu=2G
#SBATCH --exclusive
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
# With GPUs: --gpus-per-node=1, and --num-gpus=1 at both `ray start`.
set -euo pipefail
source "$HOME/venv/bin/activate" # lucas-habitat[cluster], on the parallel file system or in a container
export RAY_USAGE_STATS_ENABLED=0
# Only who has this token can talk to the cluster; other users of the centre's network cannot.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}'):6379
cores=$SLURM_CPUS_PER_TASK

srun --nodes=1 --ntasks=1 --overlap -w "$head" \
  ray start --head --node-ip-address="${address%:*}" --port=6379 --num-cpus="$cores" \
  --include-dashboard=false --disable-usage-stats --block &
sleep 20
if ((SLURM_JOB_NUM_NODES > 1)); then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --overlap --exclude="$head" \
    ray start --address="$address" --num-cpus="$cores" --block &
  sleep 20
fi

# In the background, so that bash can hand on the signal that comes before the time limit.
srun --nodes=1 --ntasks=1 --overlap -w "$head" lucas-habitat "$@" --engine ray --address "$address" &
program=$!
trap 'kill -TERM $program; wait $program' TERM
wait $program
