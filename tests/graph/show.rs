//! `lions graph`.

use insta::assert_snapshot;
use lions::graph::{Format, Selection, build, select, show};

use super::text;

const PROJECT: &str = "
play hosts on=h1,h2,w1 max_failures=1
  role base
    task packages loop=chrony,curl
    task users loop=a,b,c,d
    task config notify=restart register=out
    task again reads=out needs=packages,config
    handler restart
  block change needs=
    task risky
    rescue
      task mend
    always
      task tidy delegate_to=h1
play servers on=h1,h2 batch=1
  task join run_once
  cluster label per_host
  between
    task healthy
play platform nohosts on=h1 needs=servers
  role postgres
    cluster volume
    task dump hosts=h1
  role odd\"<&]#end
    cluster k\\n
";

fn shown(format: Format) -> String {
    let parsed = text::parse(PROJECT);
    show(&build(&parsed.program).expect("a graph"), &parsed.program, format)
}

#[test]
fn as_text() {
    assert_snapshot!(shown(Format::Text), @r#"
play hosts: 1 failure allowed
  role base
    packages: 3 hosts; for chrony, curl
    users: 3 hosts; for 4 items
    config: 3 hosts; notifies restart
    again: 3 hosts; reads out; after: packages, config
    handlers:
      restart: 3 hosts
  block change: at once
    risky: 3 hosts
    on failure:
      mend: 3 hosts
    in any case:
      tidy: 3 hosts; done at h1
play servers: batches of 1
  join: h1; once
  label: 2 hosts; once a host, on the cluster
  after each batch:
    healthy: 2 hosts
play platform: after: servers
  role postgres
    volume: cluster
    dump: h1
  role odd"<&]#end
    k\n: cluster
"#);
}

#[test]
fn as_text_of_a_selection() {
    let parsed = text::parse(PROJECT);
    let of = |selection: &Selection| {
        show(&select(&parsed.program, selection).expect("a graph"), &parsed.program, Format::Text)
    };
    assert_snapshot!(of(&Selection { limit: vec!["w1".into()], ..Selection::default() }), @r#"
play hosts: 1 failure allowed
  role base
    packages: w1; for chrony, curl
    users: w1; for 4 items
    config: w1; notifies restart
    again: w1; reads out; after: packages, config
    handlers:
      restart: w1
  block change: at once
    risky: w1
    on failure:
      mend: w1
    in any case:
      tidy: w1; done at h1
"#);
    let none = Selection { limit: vec!["w1".into()], component: Some("servers".into()), ..Selection::default() };
    assert_snapshot!(of(&none), @r#"
nothing is selected
"#);
}

#[test]
fn as_dot() {
    assert_snapshot!(shown(Format::Dot), @r#"
digraph lions {
  rankdir=LR;
  node [shape=box];
  subgraph cluster_0 {
    label="hosts";
    n0 [label="base/packages[chrony]\n3 hosts"];
    n1 [label="base/packages[curl]\n3 hosts"];
    n2 [label="base/users[a]\n3 hosts"];
    n3 [label="base/users[b]\n3 hosts"];
    n4 [label="base/users[c]\n3 hosts"];
    n5 [label="base/users[d]\n3 hosts"];
    n6 [label="base/config\n3 hosts"];
    n7 [label="base/again\n3 hosts"];
    n8 [label="base/handlers/restart\n3 hosts", style=rounded];
    n9 [shape=point, tooltip="base"];
    n10 [label="change/risky\n3 hosts"];
    n11 [label="change/rescue/mend\n3 hosts"];
    n12 [label="change/always/tidy\n3 hosts"];
    n13 [shape=point, tooltip="change"];
    n14 [shape=point, tooltip="hosts"];
  }
  subgraph cluster_1 {
    label="servers";
    n15 [shape=point, tooltip="servers"];
    n16 [label="join\nh1"];
    n17 [label="label\nh1"];
    n18 [shape=point, tooltip="servers"];
    n19 [label="between/healthy\nh1"];
    n20 [shape=point, tooltip="servers"];
    n21 [shape=point, tooltip="servers"];
    n22 [label="label\nh2"];
    n23 [shape=point, tooltip="servers"];
    n24 [label="between/healthy\nh2"];
    n25 [shape=point, tooltip="servers"];
    n26 [shape=point, tooltip="servers"];
  }
  subgraph cluster_2 {
    label="platform";
    n27 [shape=point, tooltip="platform"];
    n28 [label="postgres/volume\ncluster"];
    n29 [label="postgres/dump\nh1"];
    n30 [shape=point, tooltip="postgres"];
    n31 [label="odd\"<&]#end/k\\n\ncluster"];
    n32 [shape=point, tooltip="odd\"<&]#end"];
    n33 [shape=point, tooltip="platform"];
  }
  n0 -> n1 [style=dashed];
  n1 -> n2 [style=dashed];
  n2 -> n3 [style=dashed];
  n3 -> n4 [style=dashed];
  n4 -> n5 [style=dashed];
  n5 -> n6 [style=dashed];
  n1 -> n7;
  n6 -> n7;
  n7 -> n8 [style=dashed];
  n6 -> n8;
  n8 -> n9 [style=dashed];
  n10 -> n11 [style=dashed];
  n10 -> n12 [style=dashed];
  n11 -> n12 [style=dashed];
  n10 -> n13 [style=dashed];
  n11 -> n13 [style=dashed];
  n12 -> n13 [style=dashed];
  n9 -> n14 [style=dashed];
  n13 -> n14 [style=dashed];
  n14 -> n15 [style=dashed];
  n15 -> n16 [style=dashed];
  n16 -> n17 [style=dashed];
  n17 -> n18 [style=dashed];
  n18 -> n19 [style=dashed];
  n19 -> n20 [style=dashed];
  n20 -> n21 [style=dashed];
  n15 -> n21 [style=dashed];
  n21 -> n22 [style=dashed];
  n16 -> n22 [style=dashed];
  n22 -> n23 [style=dashed];
  n23 -> n24 [style=dashed];
  n24 -> n25 [style=dashed];
  n17 -> n26 [style=dashed];
  n22 -> n26 [style=dashed];
  n25 -> n26 [style=dashed];
  n26 -> n27;
  n27 -> n28 [style=dashed];
  n27 -> n29 [style=dashed];
  n28 -> n29 [style=dashed];
  n28 -> n30 [style=dashed];
  n29 -> n30 [style=dashed];
  n30 -> n31 [style=dashed];
  n30 -> n32 [style=dashed];
  n31 -> n32 [style=dashed];
  n32 -> n33 [style=dashed];
}
"#);
}

#[test]
fn as_mermaid() {
    assert_snapshot!(shown(Format::Mermaid), @r#"
flowchart LR
  subgraph p0["hosts"]
    n0["base/packages#91;chrony#93;<br>3 hosts"]
    n1["base/packages#91;curl#93;<br>3 hosts"]
    n2["base/users#91;a#93;<br>3 hosts"]
    n3["base/users#91;b#93;<br>3 hosts"]
    n4["base/users#91;c#93;<br>3 hosts"]
    n5["base/users#91;d#93;<br>3 hosts"]
    n6["base/config<br>3 hosts"]
    n7["base/again<br>3 hosts"]
    n8("base/handlers/restart<br>3 hosts")
    n9((" "))
    n10["change/risky<br>3 hosts"]
    n11["change/rescue/mend<br>3 hosts"]
    n12["change/always/tidy<br>3 hosts"]
    n13((" "))
    n14((" "))
  end
  subgraph p1["servers"]
    n15((" "))
    n16["join<br>h1"]
    n17["label<br>h1"]
    n18((" "))
    n19["between/healthy<br>h1"]
    n20((" "))
    n21((" "))
    n22["label<br>h2"]
    n23((" "))
    n24["between/healthy<br>h2"]
    n25((" "))
    n26((" "))
  end
  subgraph p2["platform"]
    n27((" "))
    n28["postgres/volume<br>cluster"]
    n29["postgres/dump<br>h1"]
    n30((" "))
    n31["odd#34;#60;#38;#93;#35;end/k#92;n<br>cluster"]
    n32((" "))
    n33((" "))
  end
  n0 -.-> n1
  n1 -.-> n2
  n2 -.-> n3
  n3 -.-> n4
  n4 -.-> n5
  n5 -.-> n6
  n1 --> n7
  n6 --> n7
  n7 -.-> n8
  n6 --> n8
  n8 -.-> n9
  n10 -.-> n11
  n10 -.-> n12
  n11 -.-> n12
  n10 -.-> n13
  n11 -.-> n13
  n12 -.-> n13
  n9 -.-> n14
  n13 -.-> n14
  n14 -.-> n15
  n15 -.-> n16
  n16 -.-> n17
  n17 -.-> n18
  n18 -.-> n19
  n19 -.-> n20
  n20 -.-> n21
  n15 -.-> n21
  n21 -.-> n22
  n16 -.-> n22
  n22 -.-> n23
  n23 -.-> n24
  n24 -.-> n25
  n17 -.-> n26
  n22 -.-> n26
  n25 -.-> n26
  n26 --> n27
  n27 -.-> n28
  n27 -.-> n29
  n28 -.-> n29
  n28 -.-> n30
  n29 -.-> n30
  n30 -.-> n31
  n30 -.-> n32
  n31 -.-> n32
  n32 -.-> n33
"#);
}

#[test]
fn as_json() {
    let text = shown(Format::Json);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let nodes = json["nodes"].as_array().expect("nodes");
    let some: Vec<String> = [2, 8, 11, 17].iter().map(|at: &usize| nodes[*at].to_string()).collect();
    assert_snapshot!(some.join("\n"), @r#"
{"id":2,"address":"hosts/base/users[a]","kind":"task","places":["h1","h2","w1"],"after":[{"from":1,"reach":"same","rule":"success","selects":false}]}
{"id":8,"address":"hosts/base/handlers/restart","kind":"handler","places":["h1","h2","w1"],"after":[{"from":7,"reach":"same","rule":"success","selects":false},{"from":6,"reach":"same","rule":"success","selects":true}],"by":[6]}
{"id":11,"address":"hosts/change/rescue/mend","kind":"task","places":["h1","h2","w1"],"after":[{"from":10,"reach":"same","rule":"ended","selects":false}],"sections":[{"block":"hosts/change","section":"rescue"}]}
{"id":17,"address":"servers/label","kind":"task","places":["h1"],"after":[{"from":16,"reach":"all","rule":"success","selects":false}],"done_at":"cluster"}
"#);
    assert_eq!(json["version"], 1);
    assert!(text.ends_with("}\n") && text.lines().count() == 1, "one line");
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let mut parsed = text::parse("play site on=h1\n  task a\n");
    parsed.program.tasks[0].name = "a\u{1b}[31m\nb".into();
    parsed.program.plays[0].name = "p\u{7}".into();
    let graph = build(&parsed.program).expect("a graph");
    for format in [Format::Text, Format::Dot, Format::Mermaid, Format::Json] {
        let text = show(&graph, &parsed.program, format);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{format:?}: {text:?}");
    }
    assert_snapshot!(show(&graph, &parsed.program, Format::Text), @r#"
play p\u{7}
  a\u{1b}[31m\nb: h1
"#);
}
