//! Where a manifest comes from: files, folders, templates, kustomizations; on a real Kubernetes, by the program itself.

use super::project::Project;
use crate::lab_cluster;

const PLAYBOOK: &str = "
- name: shop
  tasks:
    - name: all of a folder
      manifest: { src: shop, namespace: NS }
    - name: overlay
      manifest: { kustomize: overlay, namespace: NS }
";

const FILES: &[(&str, &str)] = &[
    (
        "files/shop/a-objects.yaml",
        "apiVersion: TEST.example.dev/v1\nkind: Shelf\nmetadata: { name: top }\nspec: { boards: 3 }\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: { name: plain }\ndata: { braces: '{{ level }}' }\n",
    ),
    (
        "files/shop/b-kinds.yml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: shelves.TEST.example.dev }\n\
         spec:\n  group: TEST.example.dev\n  scope: Namespaced\n  names: { kind: Shelf, plural: shelves, singular: shelf }\n  versions:\n\
         \x20   - name: v1\n      served: true\n      storage: true\n      schema: { openAPIV3Schema: { type: object, \
         properties: { spec: { type: object, properties: { boards: { type: integer } } } } } }\n",
    ),
    (
        "files/shop/below/rendered.yaml.j2",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: rendered }\ndata: { level: \"{{ level }}\" }\n",
    ),
    ("files/shop/README.md", "no object\n"),
    ("files/base/kustomization.yaml", "resources: [config.yaml]\n"),
    ("files/base/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: base }\ndata: { a: one }\n"),
    (
        "files/overlay/kustomization.yaml",
        "resources: [../base]\nnamePrefix: live-\ncommonAnnotations: { tier: front }\n\
         configMapGenerator: [{ name: made, literals: [b=two] }]\n",
    ),
];

#[tokio::test]
async fn files_folders_templates_and_kustomizations() {
    let Some(lab) = lab_cluster::namespace().await else { return };
    let project = Project::new(&lab, "vars: { level: info }\n", PLAYBOOK);
    for (path, text) in FILES {
        project.write(path, &text.replace("TEST", &lab.name));
    }
    let plan = project.says(&["plan", "--detailed-exitcode"], 2).await;
    // The kind comes before the object of it, wherever their files stand.
    for part in [
        "2 to create",
        "spec.boards: 3",
        "braces: {{ level }}",
        "data.level: info",
        "live-base",
        "data.b: two",
        "annotations.tier: front",
    ] {
        assert!(plan.contains(part), "{part:?} is not in\n{plan}");
    }
    // What a saved plan holds needs no tool any more.
    project.says(&["plan", "-o", "saved.plan"], 0).await;
    project.write("files/overlay/kustomization.yaml", "resources: [nowhere]\n");
    project.says(&["apply", "saved.plan"], 0).await;
    let get = async |of: &str| lab.get(&format!("/api/v1/namespaces/{}/configmaps/{of}", lab.name)).await;
    assert_eq!(get("rendered").await.unwrap()["data"]["level"], "info");
    assert_eq!(get("plain").await.unwrap()["data"]["braces"], "{{ level }}");
    assert_eq!(get("live-base").await.unwrap()["metadata"]["annotations"]["tier"], "front");
    let shelf = format!("/apis/{0}.example.dev/v1/namespaces/{0}/shelves/top", lab.name);
    assert_eq!(lab.get(&shelf).await.unwrap()["spec"]["boards"], 3);

    // What the tool says of a broken one is said, with the folder.
    let broken = project.says(&["plan"], 1).await;
    assert!(broken.contains("files/overlay") && broken.contains("nowhere"), "{broken}");
    project.write("files/overlay/kustomization.yaml", FILES[6].1);
    let again = project.says(&["plan", "--detailed-exitcode"], 0).await;
    assert!(again.starts_with("nothing to do"), "{again}");

    // A document that leaves a file leaves the playbook.
    let kept = FILES[0].1.split("---\n").next().unwrap().replace("TEST", &lab.name);
    project.write("files/shop/a-objects.yaml", &kept);
    let less = project.says(&["plan", "--detailed-exitcode"], 2).await;
    assert!(less.contains("1 to delete") && less.contains("ConfigMap") && less.contains("plain"), "{less}");
    project.says(&["apply", "--yes"], 0).await;
    assert!(get("plain").await.is_none() && get("rendered").await.is_some());

    // What is wrong in a file is named by its line.
    project
        .write("files/shop/a-objects.yaml", &format!("{kept}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{}}\n"));
    let wrong = project.says(&["plan"], 1).await;
    assert!(wrong.contains("files/shop/a-objects.yaml`, line 6: `metadata.name` is missing"), "{wrong}");
    project.write("files/shop/a-objects.yaml", "a: [\n");
    let wrong = project.says(&["plan"], 1).await;
    assert!(wrong.contains("files/shop/a-objects.yaml` is no YAML: line"), "{wrong}");
}
