"""How a document becomes bytes: JSON, compressed with the words that all documents share.

Most documents are a few hundred bytes of names that every other one has, too; an hourly point's
manifest is written thousands of times a year. `WORDS` is part of the format (docs/format.md,
"Sealing"): not a byte of it may ever change.
"""

from __future__ import annotations

import zstandard

_LEVEL = 12
# What is larger passes between the tasks of one run and is gone with it: time counts, not room.
_SMALL_BYTES = 64 * 1024
_FAST_LEVEL = 3
_LARGEST = 1 << 30

WORDS = (
    b'{"tick":"","recorded":"","cause":"backfilled after the fact","covered_by":""}'
    b'{"point":"","removed":"","reasons":["older than the newest  good points","incomplete, and a'
    b' newer point exists"],"leftovers":[]}'
    b'{"test":"test_restore","instance":"","point":"","started":"","ended":"","proven":true,'
    b'"rto_seconds":0.0,"phases":[{"name":"scratch","seconds":0.0},{"name":"volumes","seconds":0.0}'
    b',{"name":"waves","seconds":0.0},{"name":"ready","seconds":0.0}],"checks":[{"name":'
    b'"workloadsReady","outcome":"passed","detail":" workloads ready","seconds":0.0},{"name":'
    b'"objectsComplete","outcome":"passed","detail":" objects there and equal","seconds":0.0},'
    b'{"name":"volumeBytesEqual","outcome":"passed","detail":"","seconds":0.0}],"error":""}'
    b'{"shards":[{"id":"shard-0","title":"part 1 of 1","listings":[{"kind":{"group":"","version":'
    b'"v1","plural":"","kind":"","namespaced":true,"verbs":["create","delete","deletecollection",'
    b'"get","list","patch","update","watch"],"short_names":[],"versions":["v1"]},"namespace":null,'
    b'"only":null}]}]}'
    b'{"shard":"shard-0","kept":[0],"spilled":[],"stored":{"ordinals":[],"rows":""},"objects":0,'
    b'"object_bytes":0,"new_objects":0,"new_bytes":0,"left_out":[],"captured_to":"2026-","samples":'
    b"[]}"
    b'{"kind":"csi","volume":{"namespace":"","claim":"","claim_uid":"","pv":"pvc-","driver":'
    b'"disk.csi.azure.com","handle":"/subscriptions//resourceGroups//providers/Microsoft.Compute/'
    b'disks/pvc-","storage_class":"managed-csi","volume_mode":"Filesystem","access_modes":['
    b'"ReadWriteOnce"],"size":,"labels":[]},"name":"lifeboat-","handle":"/subscriptions//'
    b'resourceGroups//providers/Microsoft.Compute/snapshots/snapshot-","driver":'
    b'"disk.csi.azure.com","size":,"created":"2026-","point":"","instance":"","content_digest":""}'
    b'{"what":"volume ","reason":"carries an exclude label","severity":"note"},{"what":"","reason":'
    b'"may not be listed: ","severity":"loss"}'
    b'{"major":1,"minor":0,"point":"20260101T000000Z-0","instance":"","policy":"","cluster":"",'
    b'"captured_from":"2026-01-01T00:00:00Z","captured_to":"2026-01-01T00:00:00Z","committed":'
    b'"2026-01-01T00:00:00Z","complete":true,"server_version":"v1.3","run":{"run_id":"scheduled__'
    b'2026-01-01T00:00:00+00:00","trigger":"scheduled","scheduled_for":"2026-01-01T00:00:00Z","dag"'
    b':"backup."},"tree":{"base":{"name":"","size":0,"root":0,"rows":0},"changes":"lJCY","layer":'
    b'{"name":"","size":0,"root":4,"rows":0}},"volumes":[],"left_out":[],"warnings":[],"objects":0,'
    b'"object_bytes":0,"new_objects":0,"new_bytes":0,"policy_digest":"sha256:0","previous":"2026'
    b'0101T000000Z-0","locked_until":"","guarded_until":"","digest":"sha256:"}'
)
_words = zstandard.ZstdCompressionDict(WORDS, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
_words.precompute_compress(level=_LEVEL)


def pack(document: bytes) -> bytes:
    """One zstd frame."""
    if len(document) > _SMALL_BYTES:
        return zstandard.ZstdCompressor(level=_FAST_LEVEL).compress(document)
    return zstandard.ZstdCompressor(level=_LEVEL, dict_data=_words).compress(document)


def unpack(packed: bytes) -> bytes:
    """The inverse. Raises zstandard.ZstdError."""
    decompressor = zstandard.ZstdDecompressor(dict_data=_words)
    return decompressor.decompress(packed, max_output_size=_LARGEST)
