"""Addresses of photos: files, members of tar shards, objects in S3, pages of web servers."""

from __future__ import annotations

import os
import posixpath
import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from ..errors import InputError

__all__ = [
    "LOCAL",
    "TAR_ENDING",
    "Member",
    "base_name",
    "is_remote",
    "joined",
    "member_address",
    "name_of",
    "refusal",
    "shown",
    "split_member",
]

#: Hosts that http, without its s, may lead to.
LOCAL = ("localhost", "127.0.0.1", "::1")
TAR_ENDING = ".tar"

# Two letters at least: C: is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_MEMBER = re.compile(r"\.tar(?:\?[^:]*)?::", re.I)
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: What may stand unescaped in the path of a web address.
_PLAIN = "/%:@!$&'()*+,;=~"


class Member(NamedTuple):
    """A file in a tar shard."""

    tar: str
    name: str


def is_remote(path: str) -> bool:
    """Whether a path is an address such as ``s3://bucket/key``; a shard's member is where its shard is."""
    return "://" in path and _SCHEME.match(path) is not None


def split_member(path: str) -> Member | None:
    """A shard and the name in it of ``shard.tar::name``; None for any other path."""
    match = _MEMBER.search(path) if "::" in path else None
    return match and Member(path[: match.end() - 2], path[match.end() :])


def member_address(tar: str, name: str) -> str:
    """The address of a file in a shard; `split_member` takes it apart again."""
    return f"{tar}::{name}"


def shown(address: str) -> str:
    """An address without what may be secret: user, password, query."""
    member = split_member(address)
    if member:
        return member_address(shown(member.tar), member.name)
    if not is_remote(address):
        return address
    scheme, rest = address.split("://", 1)
    if scheme.lower() in ("http", "https"):
        rest = re.split("[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def name_of(address: str) -> str:
    """What the names of a photo and its folders are read from: a path without host, query and escapes."""
    member = split_member(address)
    if member:
        return member.name
    if not is_remote(address):
        return address
    plain = shown(address)
    return unquote(plain) if plain.lower().startswith("http") else plain


def base_name(address: str) -> str:
    """The name of a photo's file, to be shown and compared by."""
    return os.path.basename(name_of(address))


def refusal(address: str) -> str | None:
    """Why nothing is read from a remote address, whatever is there; None if it may be."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{shown(address)} is no address: {error}"
    scheme = parts.scheme.lower()
    if scheme not in ("s3", "http", "https"):
        return f"addresses begin with s3:// or https://, not {scheme}://"
    if not host:
        return f"{shown(address)} names no {'bucket' if scheme == 's3' else 'server'}"
    if parts.username is not None or parts.password is not None:
        return f"{shown(address)} has a user or password in it, which logs and tables would keep"
    if scheme == "http" and host not in LOCAL:
        return f"{shown(address)} must be https (http only to this computer)"
    return None


def joined(folder: str, path: str) -> str:
    """A path relative to a remote folder, made an address; it must not leave the folder.

    Raises
    ------
    InputError
        If it would, also where dots or slashes are written as ``%2e`` or ``%2f``.
    """
    member = split_member(path)
    if member:
        return member_address(joined(folder, member.tar), member.name)
    path = path.replace("\\", "/")
    plain, before = path, None
    while plain != before:  # %252e is %2e, which is a dot
        before, plain = plain, unquote(plain).replace("\\", "/")
    for text in (path, plain):
        if text.startswith("/") or ".." in text.split("/"):
            raise InputError(
                f"The path {path} leaves the folder of its table, {shown(folder)}. Write whole addresses "
                "of photos that lie elsewhere."
            )
    path = posixpath.normpath(path)
    if not folder.lower().startswith("s3:"):
        path = quote(_LONE_PERCENT.sub("%25", path), safe=_PLAIN)
    return f"{folder.rstrip('/')}/{path}"
