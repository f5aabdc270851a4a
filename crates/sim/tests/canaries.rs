//! The quickest planted bugs are found by a few seeds; `cargo xtask sim canaries` plants them all.

use shipload_sim::Canary;
use shipload_sim::life::live;

#[test]
fn a_write_that_a_replica_leaves_out_is_found() {
    let found = (0..10).any(|seed| !live(seed, Some(Canary::LostPut), false, None).violations.is_empty());
    assert!(found, "ten lives did not notice");
}
