//! Random objects that a real API takes: many spellings of the same, defaults left out and written down, lists of every
//! sort, and values that come from templates.

use serde_json::{Map, Value as Json, json};

/// Throws the same for the same seed.
pub(super) struct Dice {
    state: u64,
    /// What is one of several things stays that, and what has defaults in it stays there: where they go, release 1.20
    /// leaves a rest behind, and then finds it invalid.
    fixed: usize,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, fixed: 0 }
    }

    pub(super) fn below(&mut self, sides: usize) -> usize {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        usize::try_from(self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % sides
    }

    fn often(&mut self) -> bool {
        self.below(3) > 0
    }

    fn pick(&mut self, all: &[Json]) -> Json {
        all[self.below(all.len())].clone()
    }

    fn one_of(&self, all: &[Json]) -> Json {
        all[self.fixed % all.len()].clone()
    }

    fn word(&mut self) -> String {
        const WORDS: [&str; 10] = ["a", "b1", "c-d", "true", "1", "0x10", "2026-11-22", "null", "e.f_g", "Yes"];
        WORDS[self.below(WORDS.len())].to_owned()
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 9] = [
            "",
            " ",
            "two\nlines\n",
            "\"quoted\": 'x'",
            "ümläut ✓",
            "# no comment",
            "tab\there",
            "{% not %} %",
            "- a: b",
        ];
        if self.below(2) == 0 { self.word() } else { TEXTS[self.below(TEXTS.len())].replace("{%", "(") }
    }

    fn labels(&mut self) -> Json {
        let keys = ["app.kubernetes.io/name", "tier", "x"];
        let mut map = Map::new();
        for key in keys {
            if self.often() {
                let value = ["web", "v1.2", "", "0"][self.below(4)];
                map.insert(key.to_owned(), value.into());
            }
        }
        map.into()
    }

    fn texts(&mut self) -> Json {
        let mut map = Map::new();
        for key in ["a", "b.c", "d_e", "f-1"] {
            if self.often() {
                map.insert(key.to_owned(), self.text().into());
            }
        }
        map.into()
    }

    fn metadata(&mut self, name: &str) -> Json {
        let mut metadata = json!({ "name": name });
        if self.often() {
            metadata["labels"] = self.labels();
        }
        if self.often() {
            metadata["annotations"] = self
                .texts()
                .as_object()
                .unwrap()
                .iter()
                .map(|(k, v)| (format!("x.dev/{k}"), v.clone()))
                .collect::<Map<_, _>>()
                .into();
        }
        metadata
    }

    /// Puts each of these fields, or not.
    fn some(&mut self, object: &mut Json, fields: &[(&str, Json)]) {
        for (key, value) in fields {
            if self.often() {
                object[*key] = value.clone();
            }
        }
    }

    fn container(&mut self, name: &str) -> Json {
        let cpu = self.pick(&[json!("100m"), json!("0.1"), json!("1"), json!("1000m"), json!("1e-1")]);
        let memory = self.pick(&[json!("64Mi"), json!("65536Ki"), json!("0.5Gi"), json!("100M"), json!("67108864")]);
        let env: Vec<Json> = (0..self.below(4))
            .map(|at| match (at + self.fixed) % 4 {
                0 => json!({ "name": format!("E{at}"), "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }),
                1 => json!({ "name": format!("E{at}"), "valueFrom": { "secretKeyRef": { "name": "s", "key": "k", "optional": true } } }),
                2 => json!({ "name": format!("E{at}") }),
                _ => json!({ "name": format!("E{at}"), "value": self.text() }),
            })
            .collect();
        let port = 80 + self.below(3);
        let ports = match self.below(3) {
            0 => json!([{ "containerPort": port }]),
            1 => {
                json!([{ "containerPort": port, "protocol": "TCP" }, { "containerPort": port, "protocol": "UDP", "name": "dns" }])
            }
            _ => json!([{ "containerPort": port, "name": "http", "hostIP": "" }]),
        };
        let args: Vec<String> = (0..self.below(3)).map(|_| self.text()).collect();
        let probe = self.one_of(&[
            json!({ "httpGet": { "path": "/", "port": 80 }, "periodSeconds": 5 }),
            json!({ "httpGet": { "path": "/", "port": "http", "scheme": "HTTP" } }),
            json!({ "exec": { "command": ["true"] }, "timeoutSeconds": 1 }),
            json!({ "tcpSocket": { "port": 80 }, "failureThreshold": 3 }),
        ]);
        let mut container = json!({ "name": name, "image": format!("lions.test/none:{}", self.below(3)) });
        if self.fixed.is_multiple_of(2) {
            container["livenessProbe"] = probe;
        }
        self.some(&mut container, &[
            ("args", json!(args)),
            ("env", json!(env)),
            ("ports", ports),
            ("resources", json!({ "requests": { "cpu": cpu }, "limits": { "cpu": "2", "memory": memory } })),
            ("imagePullPolicy", json!("Never")),
            ("securityContext", json!({ "runAsNonRoot": true, "capabilities": { "drop": ["ALL"] } })),
            ("volumeMounts", json!([{ "name": "v", "mountPath": "/v" }, { "name": "v", "mountPath": "/w", "subPath": "w", "readOnly": true }])),
            ("envFrom", json!([{ "configMapRef": { "name": "c", "optional": true } }])),
        ]);
        container
    }

    fn pod(&mut self, app: &str) -> Json {
        let mut containers = vec![self.container("web")];
        if self.below(2) == 0 {
            containers.insert(self.below(2), self.container("log"));
        }
        let volume = self.one_of(&[
            json!({ "name": "v", "emptyDir": {} }),
            json!({ "name": "v", "emptyDir": { "medium": "Memory", "sizeLimit": "1024Ki" } }),
            json!({ "name": "v", "configMap": { "name": "c", "optional": true, "items": [{ "key": "a", "path": "a" }] } }),
            json!({ "name": "v", "secret": { "secretName": "s", "defaultMode": 256, "optional": true } }),
        ]);
        let mut spec = json!({ "containers": containers, "volumes": [volume] });
        self.some(&mut spec, &[
            ("nodeSelector", json!({ "nowhere": "true" })),
            ("serviceAccountName", json!("default")),
            ("tolerations", json!([{ "key": "a", "operator": "Exists" }, { "key": "b", "value": "c", "effect": "NoSchedule" }])),
            ("imagePullSecrets", json!([{ "name": "pull" }])),
            ("securityContext", json!({})),
            ("terminationGracePeriodSeconds", json!(0)),
            ("affinity", json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
                { "weight": 1, "podAffinityTerm": { "topologyKey": "x", "labelSelector": { "matchLabels": { "app": app } } } } ] } })),
            ("hostAliases", json!([{ "ip": "127.0.0.2", "hostnames": ["x", "y"] }])),
        ]);
        json!({ "metadata": { "labels": { "app": app } }, "spec": spec })
    }

    /// An object of one of many kinds. The same `at` gives the same kind and name, and what cannot change of it.
    pub(super) fn object(&mut self, at: usize) -> Json {
        self.fixed = at;
        let name = format!("r{at}");
        let metadata = self.metadata(&name);
        let object = |version: &str, kind: &str| json!({ "apiVersion": version, "kind": kind, "metadata": metadata });
        match at % 13 {
            0 => {
                let mut it = object("v1", "ConfigMap");
                let data = self.texts();
                self.some(&mut it, &[("data", data), ("binaryData", json!({ "bin": "AAEC" }))]);
                it
            }
            1 => {
                let mut it = object("v1", "Secret");
                let texts = self.texts();
                self.some(
                    &mut it,
                    &[("stringData", texts), ("data", json!({ "k": "dg==" })), ("type", json!("Opaque"))],
                );
                it["type"] = json!("Opaque");
                it
            }
            2 => {
                let mut it = object("v1", "Service");
                let protocol = self.below(2) == 0;
                let mut port = json!({ "port": 80 + self.below(3), "name": "http" });
                self.some(&mut port, &[("targetPort", json!("web")), ("appProtocol", json!("http"))]);
                if protocol {
                    port["protocol"] = json!("TCP");
                }
                let mut ports = vec![port];
                if self.often() {
                    ports.push(json!({ "port": 53, "protocol": "UDP", "name": "dns", "targetPort": 5353 }));
                }
                it["spec"] = json!({ "ports": ports });
                let selector = self.labels();
                self.some(
                    &mut it["spec"],
                    &[
                        ("selector", selector),
                        ("type", json!("ClusterIP")),
                        ("sessionAffinity", json!("None")),
                        ("publishNotReadyAddresses", json!(true)),
                    ],
                );
                it
            }
            3 | 4 => {
                let mut it = object("apps/v1", "Deployment");
                it["spec"] = json!({ "selector": { "matchLabels": { "app": name } }, "template": self.pod(&name), "replicas": self.below(2) });
                let strategy = self.one_of(&[
                    json!({}),
                    json!({ "type": "Recreate" }),
                    json!({ "rollingUpdate": { "maxSurge": "50%", "maxUnavailable": 0 } }),
                ]);
                self.some(
                    &mut it["spec"],
                    &[
                        ("minReadySeconds", json!(1)),
                        ("revisionHistoryLimit", json!(10)),
                        ("paused", json!(true)),
                        ("progressDeadlineSeconds", json!(60)),
                    ],
                );
                it["spec"]["strategy"] = strategy;
                it
            }
            5 => {
                let mut it = object("apps/v1", "StatefulSet");
                it["spec"] = json!({ "serviceName": name, "selector": { "matchLabels": { "app": name } }, "template": self.pod(&name), "replicas": 0,
                    "volumeClaimTemplates": [{ "metadata": { "name": "d" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1024Mi" } } } }] });
                it
            }
            6 => {
                let mut it = object("networking.k8s.io/v1", "Ingress");
                let host = self.word().replace(['_', '.'], "").to_lowercase();
                it["spec"] = json!({ "rules": [{ "host": format!("{host}.dev"), "http": { "paths": [
                    { "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "web", "port": { "number": 80 } } } } ] } }] });
                self.some(
                    &mut it["spec"],
                    &[
                        ("tls", json!([{ "hosts": ["x.dev"], "secretName": "t" }])),
                        ("ingressClassName", json!("nginx")),
                    ],
                );
                it
            }
            7 => {
                let mut it = object("v1", "PersistentVolumeClaim");
                it["spec"] = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": { "requests": { "storage": "1Gi" } } });
                it
            }
            8 => {
                let mut it = object("rbac.authorization.k8s.io/v1", "Role");
                it["rules"] = json!([{ "apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get", "list"] }]);
                if self.often() {
                    it["rules"].as_array_mut().unwrap().push(json!({ "apiGroups": [""], "resources": ["secrets"], "resourceNames": [self.word()], "verbs": ["get"] }));
                }
                it
            }
            9 => {
                let mut it = object("networking.k8s.io/v1", "NetworkPolicy");
                let labels = self.labels();
                let selector = self.one_of(&[json!({}), json!({ "matchLabels": labels })]);
                it["spec"] = json!({ "podSelector": selector, "policyTypes": ["Ingress"] });
                self.some(&mut it["spec"], &[("ingress", json!([{ "from": [{ "namespaceSelector": {} }, { "ipBlock": { "cidr": "10.0.0.0/8" } }], "ports": [{ "port": 80 }] }]))]);
                it
            }
            10 => {
                let mut it = object("autoscaling/v1", "HorizontalPodAutoscaler");
                it["spec"] = json!({ "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "none" }, "maxReplicas": 2 + self.below(3) });
                self.some(&mut it["spec"], &[("minReplicas", json!(1)), ("targetCPUUtilizationPercentage", json!(80))]);
                it
            }
            11 => {
                let mut it = object("batch/v1beta1", "CronJob");
                let mut pod = self.pod(&name);
                pod["spec"]["restartPolicy"] = json!("Never");
                it["spec"] =
                    json!({ "schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": { "spec": { "template": pod } } });
                self.some(
                    &mut it["spec"],
                    &[("concurrencyPolicy", json!("Forbid")), ("successfulJobsHistoryLimit", json!(3))],
                );
                it
            }
            _ => {
                let mut it = object("v1", "ServiceAccount");
                self.some(
                    &mut it,
                    &[
                        ("automountServiceAccountToken", json!(false)),
                        ("imagePullSecrets", json!([{ "name": "pull" }])),
                    ],
                );
                it
            }
        }
    }

    /// The same with some leaves as templates; their values go to `vars`.
    pub(super) fn templated(&mut self, value: &Json, vars: &mut Map<String, Json>) -> Json {
        match value {
            Json::Object(map) => {
                map.iter().map(|(key, value)| (key.clone(), self.templated(value, vars))).collect::<Map<_, _>>().into()
            }
            Json::Array(items) => items.iter().map(|item| self.templated(item, vars)).collect::<Vec<_>>().into(),
            leaf if self.below(6) == 0 => {
                let name = format!("v{}", vars.len());
                vars.insert(name.clone(), leaf.clone());
                format!("{{{{ {name} }}}}").into()
            }
            leaf => leaf.clone(),
        }
    }
}
