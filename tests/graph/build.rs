//! Golden text of small graphs, one rule each.

use insta::assert_snapshot;

use super::{graph_of, problems_of};

#[test]
fn tasks_follow_the_one_above_at_the_same_place() {
    assert_snapshot!(graph_of("
play site on=h1,h2
  role base
    task one
    task two
    task three hosts=h2
    task four
  task last
"), @r#"
0 site/base/one @h1,h2
1 site/base/two @h1,h2 <- 0
2 site/base/three @h2 <- 1
3 site/base/four @h1,h2 <- 1 <- 2
4 site/base @h1,h2 join <- 3
5 site/last @h1,h2 <- 4
6 site @h1,h2 join <- 5
"#);
}

#[test]
fn needs_replace_the_one_above() {
    assert_snapshot!(graph_of("
play site on=h1
  task a
  task b
  task c needs=a
  task d needs=
  role r needs=b,d
    task e
    task f needs=
"), @r#"
0 site/a @h1
1 site/b @h1 <- 0
2 site/c @h1 <- 0 *
3 site/d @h1
4 site/r/e @h1 <- 1 * <- 3 *
5 site/r/f @h1 <- 1 * <- 3 *
6 site/r @h1 join <- 4 <- 5
7 site @h1 join <- 2 <- 6
"#);
}

#[test]
fn cluster_tasks_bring_hosts_together() {
    assert_snapshot!(graph_of("
play site on=h1,h2
  task a
  task b hosts=h1
  cluster k
  task c
  cluster k2
  cluster k3
"), @r#"
0 site/a @h1,h2
1 site/b @h1 <- 0
2 site/k @cluster <- 0 all <- 1 all
3 site/c @h1,h2 <- 0 <- 1 <- 2 all
4 site/k2 @cluster <- 2 all <- 3 all
5 site/k3 @cluster <- 4 all
6 site @h1,h2,cluster join <- 3 <- 5 all
"#);
}

#[test]
fn failures_within_bounds_are_counted_once() {
    assert_snapshot!(graph_of("
play one on=h1,h2,h3 max_failures=1
  task a
  task b hosts=h1
  cluster k
  task c
play two on=h1,h2
  task d
play three on=h3
  task e
"), @r#"
0 one/a @h1,h2,h3
1 one/b @h1 <- 0
2 one @h1,h2,h3 join <- 0 <- 1
3 one/k @cluster <- 2 all most 1
4 one/c @h1,h2,h3 <- 0 <- 1 <- 3 all
5 one @h1,h2,h3,cluster join <- 3 all <- 4
6 two @h1,h2 join <- 5 all most 1 <- 5 leave out
7 two/d @h1,h2 <- 6
8 two @h1,h2 join <- 7
9 three @h3 join <- 5 leave out <- 8 all most 0
10 three/e @h3 <- 9
11 three @h3 join <- 10
"#);
}

#[test]
fn loops_are_sequences() {
    assert_snapshot!(graph_of("
play site on=h1,h2
  task a loop=x,y@h2,z register=r
  task b needs= reads=r
  task none loop=
  task c
"), @r#"
0 site/a[x] @h1,h2
1 site/a[y] @h2 <- 0
2 site/a[z] @h1,h2 <- 0 <- 1
3 site/b @h1,h2 <- 2 *
4 site/c @h1,h2 <- 3
5 site @h1,h2 join <- 2 <- 4
"#);
}

#[test]
fn handlers_close_the_role() {
    assert_snapshot!(graph_of("
play site on=h1,h2
  role base
    task a notify=restart,own
    task b hosts=h2 notify=reload
    task c
    handler restart
    handler reload
    handler nobody
  task d
  handler own
"), @r#"
0 site/base/a @h1,h2
1 site/base/b @h2 <- 0
2 site/base/c @h1,h2 <- 0 <- 1
3 site/base/handlers/restart @h1,h2 handler by [0] <- 2 <- 0 *
4 site/base/handlers/reload @h2 handler by [1] <- 3 <- 1 *
5 site/base @h1,h2 join <- 3 <- 4
6 site/d @h1,h2 <- 5
7 site/handlers/own @h1,h2 handler by [0] <- 6 <- 0 *
8 site @h1,h2 join <- 7
"#);
}

#[test]
fn blocks() {
    assert_snapshot!(graph_of("
play site on=h1,h2
  task before
  block b
    task one notify=h
    task two
    rescue
      task mend
    always
      task tidy
  task after
  handler h
"), @r#"
0 site/before @h1,h2
1 site/b/one @h1,h2 in 0:Block <- 0
2 site/b/two @h1,h2 in 0:Block <- 1
3 site/b/rescue/mend @h1,h2 in 0:Rescue <- 0 <- 2 ended
4 site/b/always/tidy @h1,h2 in 0:Always <- 0 <- 2 ended <- 3 ended
5 site/b @h1,h2 join of block 0 <- 0 <- 2 ended <- 3 <- 4
6 site/after @h1,h2 <- 5
7 site/handlers/h @h1,h2 handler by [1] <- 6 <- 1 ended *
8 site @h1,h2 join <- 7
"#);
}

#[test]
fn run_once_stands_for_all() {
    assert_snapshot!(graph_of("
play site on=h1,h2
  task a
  task once run_once register=r
  task b hosts=h2
  task c reads=r
  task d delegate_to=h1
"), @r#"
0 site/a @h1,h2
1 site/once @h1 <- 0
2 site/b @h2 <- 0 <- 1 all
3 site/c @h1,h2 <- 1 all * <- 2
4 site/d @h1,h2 done at h1 <- 3
5 site @h1,h2 join <- 4
"#);
}

#[test]
fn rollout_in_batches() {
    assert_snapshot!(graph_of("
play site on=h1,h2,h3 batch=2
  role r
    cluster ahead
    task a notify=h
    task once run_once
    cluster label per_host
    handler h
  cluster behind
  between
    task check
    cluster look
play next on=h1
  task n needs=site/r/a,
"), @r#"
0 site/r/ahead @cluster
1 site/r/a @h1,h2 <- 0 all
2 site/r/once @h1 <- 1
3 site/r/label @h1,h2 done at cluster <- 1 <- 2 all
4 site/r/handlers/h @h1,h2 handler by [1] <- 3 <- 1 *
5 site/r @h1,h2 join <- 4
6 site @h1,h2 join <- 5
7 site/between/check @h1,h2 <- 6 all
8 site/between/look[batch 1] @cluster <- 6 all <- 7 all
9 site @h1,h2 join <- 7 <- 8 all
10 site @h3 join <- 8 all <- 9 all
11 site/r/a @h3 <- 10 <- 0 all
12 site/r/label @h3 done at cluster <- 11 <- 2 all
13 site/r/handlers/h @h3 handler by [11] <- 12 <- 11 *
14 site/r @h3 join <- 13
15 site @h3 join <- 14
16 site/between/check @h3 <- 15 all
17 site/between/look[batch 2] @cluster <- 15 all <- 16 all
18 site @h3 join <- 16 <- 17 all
19 site/behind @cluster <- 0 all <- 2 all <- 17 all <- 18 all
20 site/r/a @h1,h2,h3 join <- 1 <- 11
21 site @h1,h2,h3,cluster join <- 5 <- 14 <- 18 all <- 19 all <- 17 all
22 next @h1 join <- 21 all most 0 <- 21 leave out
23 next/n @h1 <- 20 all most 0 * <- 20 leave out * <- 22
24 next @h1 join <- 23
"#);
}

#[test]
fn rollout_counts_failures_over_batches() {
    assert_snapshot!(graph_of("
play first on=h1,h2,h3
  task z
play site on=h1,h2,h3 batch=1 max_failures=1
  task a
  cluster behind
"), @r#"
0 first/z @h1,h2,h3
1 first @h1,h2,h3 join <- 0
2 site @h1,h2,h3,cluster join <- 1 all most 0 <- 1 leave out
3 site/a @h1 <- 2
4 site @h1 join <- 3
5 site @h2 join <- 4 all most 1 <- 2
6 site/a @h2 <- 5
7 site @h1,h2 join <- 6 <- 4
8 site @h3 join <- 7 all most 1 <- 2
9 site/a @h3 <- 8
10 site @h1,h2,h3 join <- 9 <- 7
11 site/behind @cluster <- 2 <- 10 all most 1
12 site @h1,h2,h3,cluster join <- 3 <- 6 <- 9 <- 10 all most 1 <- 10 <- 11 all
"#);
}

#[test]
fn from_afar() {
    assert_snapshot!(graph_of("
play one on=h1,h2
  role a
    task x
    task y
play two on=h1,h2 needs=
  role b
    task z needs=one/a/x
    task w needs=two/c/v
  role c needs=
    task v hosts=h2
play three nohosts on=h1 needs=one
  role pg
    cluster deploy
    task dump hosts=h1
"), @r#"
0 one/a/x @h1,h2
1 one/a/y @h1,h2 <- 0
2 one/a @h1,h2 join <- 1
3 one @h1,h2 join <- 2
4 two/b/z @h1,h2 <- 0 all most 0 * <- 0 leave out *
5 two/c/v @h2
6 two/b/w @h1,h2 <- 5 *
7 two/b @h1,h2 join <- 4 <- 6
8 two/c @h2 join <- 5
9 two @h1,h2 join <- 7 <- 8
10 three @h1,cluster join <- 3 all most 0 * <- 3 leave out *
11 three/pg/deploy @cluster <- 10
12 three/pg/dump @h1 <- 10 <- 11 all
13 three/pg @h1,cluster join <- 11 all <- 12
14 three @h1,cluster join <- 13
"#);
}

#[test]
fn rings_and_names() {
    assert_snapshot!(problems_of("
play site on=h1
  task a needs=b
  task b needs=c
  task c needs=a
  task d needs=dd,sit/x,d,site
  role r
    task e reads=q
    task f register=qq notify=g
    handler gg
"), @r#"
site.yml:6:3: `d` needs `dd`, which is not there: no such name
  help: name a sibling, or a part from afar as `play/role/task`
site.yml:6:3: `d` needs `sit/x`, which is not there: no such name
  help: name a sibling, or a part from afar as `play/role/task`
site.yml:6:3: `d` needs itself: `site/d`
  help: take the name out of `needs`
site.yml:6:3: `d` needs `site`, which is not there: no such name
  help: name a sibling, or a part from afar as `play/role/task`
site.yml:8:5: `e` reads the register `q`, which nobody writes: no task here has this `register`
  help: did you mean `qq`?
  help: a register is seen in its own role only; add `register: q` to a task of `site/r`
site.yml:9:5: `f` notifies `g`, which is no handler: no such handler
  help: did you mean `gg`?
  help: add it to the handlers of `site/r`
site.yml:3:3: a ring: `a -> b -> c -> a`: `a` needs `b`
  site.yml:4:3: `b` needs `c`
  site.yml:5:3: `c` needs `a`
  help: each waits for the next: take one of these out
"#);
    assert_snapshot!(problems_of("
play site on=h1
  role a
    task t1 needs=site/b/t2
  role b
    task t2
"), @r#"
site.yml:4:5: a ring: `site/a/t1 -> site/b/t2 -> site/b -> site/a -> site/a/t1`: `t1` needs `t2`
  site.yml:5:3: `b` comes after `a` in the list
  help: each waits for the next: take one of these out
"#);
    assert_snapshot!(problems_of("
play site on=h1,h2 batch=1
  task a
  cluster k
  task b
"), @r#"
site.yml:4:3: the cluster task `k` stands between host tasks: each batch goes through all tasks, so it can only come before or after all of them
  site.yml:3:3: a host task before it
  site.yml:5:3: a host task after it
  site.yml:2:1: the rollout
  help: add `per_host: true` to run it once a host, inside its batch
  help: or move it before or after all host tasks, or into `between`
"#);
}
