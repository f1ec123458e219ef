"""The stand-in before moto, asked by the official client: does it do what S3's pages say?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from lifeboat.adapters.store_s3_settings import S3Settings, s3_client
from lifeboat.clock import utc_now

HOUR = timedelta(hours=1)


def test_compliance_is_only_ever_extended(s3_locking: S3Settings) -> None:
    client = s3_client(s3_locking)
    until = utc_now().replace(microsecond=0) + 2 * HOUR
    name = {"Bucket": s3_locking.bucket, "Key": "a"}
    client.put_object(
        **name, Body=b"", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )
    for mode, end in (("COMPLIANCE", until - HOUR), ("GOVERNANCE", until + HOUR)):
        with pytest.raises(ClientError) as caught:
            client.put_object_retention(**name, Retention={"Mode": mode, "RetainUntilDate": end})
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert client.head_object(**name)["ObjectLockRetainUntilDate"] == until
    later = {"Mode": "COMPLIANCE", "RetainUntilDate": until + HOUR}
    client.put_object_retention(**name, Retention=later)
    assert client.head_object(**name)["ObjectLockRetainUntilDate"] == until + HOUR


def test_of_many_racing_writers_one_wins(s3_settings: S3Settings) -> None:
    clients = [s3_client(s3_settings) for _ in range(6)]
    barrier = threading.Barrier(len(clients))

    def write(number: int) -> int:
        won = 0
        for turn in range(20):
            barrier.wait(timeout=60)
            try:
                clients[number].put_object(
                    Bucket=s3_settings.bucket, Key=str(turn), Body=b"x" * 9000, IfNoneMatch="*"
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "PreconditionFailed":
                    raise
            else:
                won += 1
        return won

    with ThreadPoolExecutor(len(clients)) as pool:
        assert sum(pool.map(write, range(len(clients)))) == 20
