"""Both logs agree which partition a key belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as theirs

from streams.partitions import murmur2, partition_of


@given(st.binary(max_size=64))
def test_the_hash_is_kafkas_own(key: bytes):
    assert murmur2(key) == theirs(key) & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "hashed"),
    # From the tests of Apache Kafka's own client (UtilsTest.testMurmur2).
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_the_hash_is_that_of_the_java_client(key: bytes, hashed: int):
    assert murmur2(key) == hashed & 0xFFFFFFFF


@given(st.binary(max_size=64), st.integers(1, 1024))
def test_a_key_has_one_partition_of_those_there_are(key: bytes, partitions: int):
    assert partition_of(key, partitions) in range(partitions)
