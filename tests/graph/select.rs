//! What `--limit`, `--tags`, `--skip-tags` and `--component` leave of a graph.

use insta::assert_snapshot;
use lions::graph::{Selection, select};

use super::{dump, lines_of, text};

const PROJECT: &str = "
play hosts on=h1,h2,w1
  role base tags=base
    task packages
    task config tags=config notify=restart
    task debug tags=never,debug
    handler restart
  role firewall
    task rules tags=always
play servers on=h1,h2 batch=1
  role k3s
    task install register=out
    task token needs= reads=out
  between
    task healthy
play platform nohosts on=h1 needs=servers
  role postgres tags=db
    cluster volume
    cluster deploy
    task dump hosts=h1
  role cache
    cluster memory
  role keycloak needs=postgres
    cluster realm
";

fn selected(selection: &Selection) -> String {
    let parsed = text::parse(PROJECT);
    match select(&parsed.program, selection) {
        Ok(graph) => dump(&parsed, &graph),
        Err(problems) => lines_of(&parsed, problems),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn everything_but_never() {
    assert_snapshot!(selected(&Selection::default()), @r#"
0 hosts/base/packages @h1,h2,w1
1 hosts/base/config @h1,h2,w1 <- 0
2 hosts/base/handlers/restart @h1,h2,w1 handler by [1] <- 1 *
3 hosts/base @h1,h2,w1 join <- 2
4 hosts/firewall/rules @h1,h2,w1 <- 3
5 hosts/firewall @h1,h2,w1 join <- 4
6 hosts @h1,h2,w1 join <- 5
7 servers @h1,h2 join <- 6 all most 0 <- 6 leave out
8 servers/k3s/install @h1 <- 7
9 servers/k3s/token @h1 <- 7 <- 8 *
10 servers/k3s @h1 join <- 8 <- 9
11 servers @h1 join <- 10
12 servers/between/healthy @h1 <- 11 all
13 servers @h1 join <- 12
14 servers @h2 join <- 13 all <- 7
15 servers/k3s/install @h2 <- 14
16 servers/k3s/token @h2 <- 14 <- 15 *
17 servers/k3s @h2 join <- 15 <- 16
18 servers @h2 join <- 17
19 servers/between/healthy @h2 <- 18 all
20 servers @h2 join <- 19
21 servers @h1,h2 join <- 10 <- 17 <- 20 all
22 platform @h1,cluster join <- 21 all most 0 * <- 21 leave out *
23 platform/postgres/volume @cluster <- 22
24 platform/postgres/deploy @cluster <- 23 all
25 platform/postgres/dump @h1 <- 22 <- 24 all
26 platform/postgres @h1,cluster join <- 24 all <- 25
27 platform/cache/memory @cluster <- 26 all
28 platform/cache @h1,cluster join <- 26 <- 27 all
29 platform/keycloak/realm @cluster <- 26 all *
30 platform/keycloak @h1,cluster join <- 26 <- 29 all
31 platform @h1,cluster join <- 28 <- 30
"#);
}

#[test]
fn limit_to_a_host() {
    assert_snapshot!(selected(&Selection { limit: words(&["h1"]), ..Selection::default() }), @r#"
0 hosts/base/packages @h1
1 hosts/base/config @h1 <- 0
2 hosts/base/handlers/restart @h1 handler by [1] <- 1 *
3 hosts/base @h1 join <- 2
4 hosts/firewall/rules @h1 <- 3
5 hosts/firewall @h1 join <- 4
6 hosts @h1 join <- 5
7 servers @h1 join <- 6 all most 0 <- 6 leave out
8 servers/k3s/install @h1 <- 7
9 servers/k3s/token @h1 <- 7 <- 8 *
10 servers/k3s @h1 join <- 8 <- 9
11 servers @h1 join <- 10
12 servers/between/healthy @h1 <- 11 all
13 servers @h1 join <- 12
14 servers @h1 join <- 10 <- 13 all
15 platform @h1 join <- 14 all most 0 * <- 14 leave out *
16 platform/postgres/dump @h1 <- 15
17 platform/postgres @h1 join <- 16
18 platform @h1 join <- 17
"#);
}

#[test]
fn limit_to_the_cluster() {
    assert_snapshot!(selected(&Selection { limit: words(&["cluster"]), ..Selection::default() }), @r#"
0 platform/postgres/volume @cluster
1 platform/postgres/deploy @cluster <- 0 all
2 platform/postgres @cluster join <- 1 all
3 platform/cache/memory @cluster <- 2 all
4 platform/cache @cluster join <- 3 all
5 platform/keycloak/realm @cluster <- 2 all *
6 platform/keycloak @cluster join <- 5 all
7 platform @cluster join <- 4 all <- 6 all
"#);
}

#[test]
fn limit_to_a_group() {
    assert_snapshot!(selected(&Selection { limit: words(&["group_w"]), ..Selection::default() }), @r#"
0 hosts/base/packages @w1
1 hosts/base/config @w1 <- 0
2 hosts/base/handlers/restart @w1 handler by [1] <- 1 *
3 hosts/base @w1 join <- 2
4 hosts/firewall/rules @w1 <- 3
5 hosts/firewall @w1 join <- 4
6 hosts @w1 join <- 5
"#);
}

#[test]
fn tags_bring_handlers_and_always() {
    assert_snapshot!(selected(&Selection { tags: words(&["config"]), ..Selection::default() }), @r#"
0 hosts/base/config @h1,h2,w1
1 hosts/base/handlers/restart @h1,h2,w1 handler by [0] <- 0 *
2 hosts/base @h1,h2,w1 join <- 1
3 hosts/firewall/rules @h1,h2,w1 <- 2
4 hosts/firewall @h1,h2,w1 join <- 3
5 hosts @h1,h2,w1 join <- 4
"#);
}

#[test]
fn never_runs_when_it_is_named() {
    let selection = Selection { tags: words(&["debug"]), skip_tags: words(&["always"]), ..Selection::default() };
    assert_snapshot!(selected(&selection), @r#"
0 hosts/base/debug @h1,h2,w1
1 hosts/base @h1,h2,w1 join <- 0
2 hosts @h1,h2,w1 join <- 1
"#);
}

#[test]
fn skipped_tags() {
    assert_snapshot!(selected(&Selection { skip_tags: words(&["db", "base"]), ..Selection::default() }), @r#"
0 hosts/firewall/rules @h1,h2,w1
1 hosts/firewall @h1,h2,w1 join <- 0
2 hosts @h1,h2,w1 join <- 1
3 servers @h1,h2 join <- 2 all most 0 <- 2 leave out
4 servers/k3s/install @h1 <- 3
5 servers/k3s/token @h1 <- 3 <- 4 *
6 servers/k3s @h1 join <- 4 <- 5
7 servers @h1 join <- 6
8 servers/between/healthy @h1 <- 7 all
9 servers @h1 join <- 8
10 servers @h2 join <- 9 all <- 3
11 servers/k3s/install @h2 <- 10
12 servers/k3s/token @h2 <- 10 <- 11 *
13 servers/k3s @h2 join <- 11 <- 12
14 servers @h2 join <- 13
15 servers/between/healthy @h2 <- 14 all
16 servers @h2 join <- 15
17 servers @h1,h2 join <- 6 <- 13 <- 16 all
18 platform @cluster join <- 17 all most 0 *
19 platform/cache/memory @cluster <- 18
20 platform/cache @cluster join <- 19 all
21 platform/keycloak/realm @cluster <- 18
22 platform/keycloak @cluster join <- 21 all
23 platform @cluster join <- 20 all <- 22 all
"#);
}

#[test]
fn component_with_all_that_it_needs() {
    assert_snapshot!(selected(&Selection { component: Some("keycloak".into()), ..Selection::default() }), @r#"
0 servers/k3s/install @h1
1 servers/k3s/token @h1 <- 0 *
2 servers/k3s @h1 join <- 0 <- 1
3 servers @h1 join <- 2
4 servers/between/healthy @h1 <- 3 all
5 servers @h1 join <- 4
6 servers @h2 join <- 5 all
7 servers/k3s/install @h2 <- 6
8 servers/k3s/token @h2 <- 6 <- 7 *
9 servers/k3s @h2 join <- 7 <- 8
10 servers @h2 join <- 9
11 servers/between/healthy @h2 <- 10 all
12 servers @h2 join <- 11
13 servers @h1,h2 join <- 2 <- 9 <- 12 all
14 platform @h1,cluster join <- 13 all most 0 * <- 13 leave out *
15 platform/postgres/volume @cluster <- 14
16 platform/postgres/deploy @cluster <- 15 all
17 platform/postgres/dump @h1 <- 14 <- 16 all
18 platform/postgres @h1,cluster join <- 16 all <- 17
19 platform/keycloak/realm @cluster <- 18 all *
20 platform/keycloak @h1,cluster join <- 18 <- 19 all
21 platform @h1,cluster join <- 18 <- 20
"#);
}

#[test]
fn component_that_needs_nothing() {
    assert_snapshot!(selected(&Selection { component: Some("base".into()), ..Selection::default() }), @r#"
0 hosts/base/packages @h1,h2,w1
1 hosts/base/config @h1,h2,w1 <- 0
2 hosts/base/handlers/restart @h1,h2,w1 handler by [1] <- 1 *
3 hosts/base @h1,h2,w1 join <- 2
4 hosts @h1,h2,w1 join <- 3
"#);
}

#[test]
fn unknown_names() {
    let selection = Selection {
        limit: words(&["h3", "group_h", "clustre"]),
        tags: words(&["confg"]),
        skip_tags: words(&["tagged", "dbb"]),
        component: Some("keycloack".into()),
    };
    assert_snapshot!(selected(&selection), @r#"
-: `--limit h3`: `test` has no such host or group: 
  help: did you mean `h1`?
-: `--limit clustre`: `test` has no such host or group: 
  help: did you mean `cluster`?
-: `--tags confg`: no task has that tag: 
  help: did you mean `config`?
-: `--skip-tags dbb`: no task has that tag: 
  help: did you mean `db`?
-: `--component keycloack`: no role or play has that name: 
  help: did you mean `keycloak`?
  help: `lions graph` shows all of them
"#);
}

#[test]
fn a_register_must_not_be_left_out() {
    let parsed = text::parse(
        "
play site on=h1,h2
  task ask register=answer tags=ask
  cluster look register=seen
  task use reads=answer
  task see reads=seen
",
    );
    let of = |selection: &Selection| lines_of(&parsed, select(&parsed.program, selection).expect_err("left out"));
    assert_snapshot!(of(&Selection { skip_tags: words(&["ask"]), ..Selection::default() }), @r#"
site.yml:5:3: `use` reads the register of `site/ask`, which is left out: read here
  site.yml:3:3: left out
  help: select both by their tags, or leave out both
"#);
    assert_snapshot!(of(&Selection { limit: words(&["h1"]), ..Selection::default() }), @r#"
site.yml:6:3: `see` reads the register of `site/look`, which is left out: read here
  site.yml:4:3: left out
  help: name its place in `--limit` (that of a cluster task is `cluster`), or leave out both
"#);
}

#[test]
fn order_stays_where_a_cluster_task_is_left_out() {
    let parsed = text::parse(
        "
play site on=h1,h2
  task a tags=x
  cluster k
  task b tags=x
",
    );
    let selection = Selection { tags: words(&["x"]), ..Selection::default() };
    let graph = select(&parsed.program, &selection).expect("a graph");
    assert_snapshot!(dump(&parsed, &graph), @r#"
0 site/a @h1,h2
1 site @h1 join <- 0 all
2 site/b @h1,h2 <- 0 <- 1 all
3 site @h1,h2 join <- 2
"#);
}

#[test]
fn what_runs_once_elsewhere_brings_nobody_together_when_it_is_left_out() {
    let parsed = text::parse(
        "
play site on=h1,h2,h3
  task a hosts=h2,h3 tags=x
  task once tags=y run_once
  task b hosts=h2,h3 tags=x
",
    );
    let selection = Selection { tags: words(&["x"]), ..Selection::default() };
    let graph = select(&parsed.program, &selection).expect("a graph");
    assert_snapshot!(dump(&parsed, &graph), @r#"
0 site/a @h2,h3
1 site/b @h2,h3 <- 0
2 site @h2,h3 join <- 1
"#);
}

#[test]
fn order_stays_in_the_cluster_where_the_host_that_kept_it_is_left_out() {
    let parsed = text::parse(
        "
play site on=h1,h2
  block work
    block inner
      cluster k
      rescue
        cluster m
    rescue
      task mend hosts=h1
      task other hosts=h2 needs=
  role next needs=site/work/rescue/mend
    cluster l needs=
",
    );
    let selection = Selection { limit: words(&["h2", "cluster"]), ..Selection::default() };
    let graph = select(&parsed.program, &selection).expect("a graph");
    assert_snapshot!(dump(&parsed, &graph), @r#"
0 site/work/inner/k @cluster in 1:Block in 0:Block
1 site/work/inner/rescue/m @cluster in 1:Rescue in 0:Block <- 0 all ended
2 site/work/inner @h2,cluster join of block 1 in 0:Block <- 0 all ended <- 1 all
3 site/work/rescue/other @h2 in 0:Rescue <- 2 ended
4 site/work @h2,cluster join of block 0 <- 2 ended <- 3
5 site/next/l @cluster <- 2 all
6 site/next @h2,cluster join <- 5 all
7 site @h2,cluster join <- 4 <- 6
"#);
}
