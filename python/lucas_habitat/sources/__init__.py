"""Where photos lie: what is in a folder, a shard or a bucket, what files are called, and their bytes."""

from .addresses import (
    base_name,
    is_remote,
    joined,
    member_address,
    name_of,
    shown,
    split_member,
)
from .ahead import Fetch, ReadAhead
from .copies import local_copy
from .folders import walk
from .listing import Listed, is_shards, list_s3, list_shards, shards_of
from .names import on_disk, readable
from .reading import known_stamp, opened, read_bytes, stamps
from .requests import READERS

__all__ = [
    "READERS",
    "Fetch",
    "Listed",
    "ReadAhead",
    "base_name",
    "is_remote",
    "is_shards",
    "joined",
    "known_stamp",
    "list_s3",
    "list_shards",
    "local_copy",
    "member_address",
    "name_of",
    "on_disk",
    "opened",
    "read_bytes",
    "readable",
    "shards_of",
    "shown",
    "split_member",
    "stamps",
    "walk",
]
