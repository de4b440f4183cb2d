//! Suite for every store: the promises of `meshtcp_control::store::Store`, kept by each of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a failed test")]

#[path = "../../../meshtcp/tests/e2e/certificates.rs"]
mod certificates;
mod child;
#[path = "../../../meshtcp/tests/e2e/database.rs"]
mod database;
mod embedded;
mod history;
mod plain;
#[path = "../../../meshtcp/tests/e2e/ports.rs"]
mod ports;
mod postgres;
mod promises;

use std::sync::Arc;

use meshtcp_control::store::{EmbeddedStore, MemoryStore, PlainStore, Store};

/// One test for each promise, with a fresh store from `$open`: whatever `$open` returns is kept until the test ends.
macro_rules! keeps_every_promise {
    ($store:ident, $open:expr) => {
        mod $store {
            use super::*;
            keeps_every_promise!(@each $open;
                what_is_put_can_be_read
                a_listing_is_sorted_and_selected
                a_change_is_made_only_on_what_was_expected
                an_equal_document_changes_nothing
                a_document_is_what_its_key_says
                odd_documents_come_back_as_they_were
                revisions_grow_with_each_change
                a_watch_gives_every_change_in_order
                a_watch_that_waits_is_woken
                a_watch_from_nowhere_is_refused
                a_dropped_wait_loses_nothing
                concurrent_increments_are_all_counted
                concurrent_creations_have_one_winner
                what_is_put_together_is_seen_together
                what_is_remembered_comes_back_the_newest_first
            );
        }
    };
    (@each $open:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (store, _kept) = $open.await;
                promises::$promise(store).await;
            }
        )*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn what_all_writers_and_watchers_see_can_be_true() {
            let (store, _kept) = $open.await;
            history::of_a_while(&[store]).await;
        }
    };
}

async fn memory() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::default()), ())
}

keeps_every_promise!(in_memory, memory());

async fn on_disk() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path().join("below/store.redb")).await.unwrap();
    (Arc::new(store), folder)
}

keeps_every_promise!(on_disk_in_one_file, on_disk());

async fn in_a_folder() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = PlainStore::open(folder.path().join("below/store")).await.unwrap();
    (Arc::new(store), folder)
}

keeps_every_promise!(in_plain_files, in_a_folder());

/// All promises on one server, each in a database of its own: a server takes long to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgresql_every_promise_is_kept() {
    let server = postgres::Server::start();
    promises::what_is_put_can_be_read(server.store("p0").await).await;
    promises::a_listing_is_sorted_and_selected(server.store("p1").await).await;
    promises::a_change_is_made_only_on_what_was_expected(server.store("p2").await).await;
    promises::an_equal_document_changes_nothing(server.store("p3").await).await;
    promises::a_document_is_what_its_key_says(server.store("p4").await).await;
    promises::odd_documents_come_back_as_they_were(server.store("p5").await).await;
    promises::revisions_grow_with_each_change(server.store("p6").await).await;
    promises::a_watch_gives_every_change_in_order(server.store("p7").await).await;
    promises::a_watch_that_waits_is_woken(server.store("p8").await).await;
    promises::a_watch_from_nowhere_is_refused(server.store("p9").await).await;
    promises::a_dropped_wait_loses_nothing(server.store("p10").await).await;
    promises::concurrent_increments_are_all_counted(server.store("p11").await).await;
    promises::concurrent_creations_have_one_winner(server.store("p12").await).await;
    promises::what_is_put_together_is_seen_together(server.store("p13").await).await;
    promises::what_is_remembered_comes_back_the_newest_first(server.store("p14").await).await;
}
