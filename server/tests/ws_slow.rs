//! What a slow reader costs. Alone in its process, for it measures the process's memory.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{Socket, TestServer, eventually, flood};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_costs_little_and_holds_up_nobody() {
    let (server, admin) = TestServer::admin().await;
    let mut deaf = Socket::open(&admin, "/ws/logs?tail=0&search=n%3D").await;
    let mut other = Socket::open(&admin, "/ws/logs?tail=0").await;
    eventually(|| async { (server.ops.hub.totals().viewers == 2).then_some(()) }).await;
    let stream = flood::stream();
    let padding = "x".repeat(1_000);
    let before = resident_bytes();
    // 40 MB of lines, each batch read by the other before the next comes.
    const BATCH: u64 = 800;
    const BATCHES: u64 = 50;
    for batch in 0..BATCHES {
        let lines = flood::lines(&stream, batch * BATCH..(batch + 1) * BATCH, &padding);
        server.ops.hub.publish(&lines, server::clock::now());
        drop(lines);
        let told = other.read(BATCH).await;
        assert_eq!(told.dropped, 0, "the other reader misses nothing");
    }
    let grown = resident_bytes().saturating_sub(before);
    // 16 frames of at most a megabyte, their lines, and what the kernel holds of the socket.
    assert!(grown < 60 << 20, "grew by {} MiB", grown >> 20);
    // When it reads again it is told how much it missed, and misses none of that count.
    let told = deaf.read(BATCHES * BATCH).await;
    assert_eq!(told.entries.len() as u64 + told.dropped, BATCHES * BATCH);
    assert!(told.dropped > 0);
}

/// Of this process, from `/proc/self/statm` (pages of 4 KiB on the machines we test on).
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}
