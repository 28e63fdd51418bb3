"""Pretrained networks: what they are, where their weights come from, how a model keeps them."""

import os

# huggingface_hub, which timm imports, reports its use unless told not to before it is imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
