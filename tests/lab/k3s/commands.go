package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"crypto/x509"
)

const dataDir = "/var/lib/rancher/k3s"

func program(name string) string {
	for _, folder := range []string{dataDir + "/data/current/bin", inside + "/bin", inside + "/root/usr/bin"} {
		if exists(folder + "/" + name) {
			return folder + "/" + name
		}
	}
	fatal("this stand-in has no %s", name)
	return ""
}

func kubectl(args []string) {
	if os.Getenv("KUBECONFIG") == "" {
		os.Setenv("KUBECONFIG", "/etc/rancher/k3s/k3s.yaml")
	}
	os.Setenv("K3S_LAB_VERSION", version)
	become(program("kubectl"), args...)
}

func ctr(args []string) {
	if os.Getenv("CONTAINERD_ADDRESS") == "" {
		os.Setenv("CONTAINERD_ADDRESS", socket)
	}
	if os.Getenv("CONTAINERD_NAMESPACE") == "" {
		os.Setenv("CONTAINERD_NAMESPACE", "k8s.io")
	}
	become(program("ctr"), args...)
}

// As much of crictl as operations need: images, ps, rmi --prune, version.
func crictl(args []string) {
	asked := func(words ...string) []string {
		out, err := exec.Command(program("ctr"), append([]string{"-a", socket, "-n", "k8s.io"}, words...)...).Output()
		if err != nil {
			fatal("connect: connect endpoint 'unix://%s': %v", socket, err)
		}
		var lines []string
		for lines_ := bufio.NewScanner(strings.NewReader(string(out))); lines_.Scan(); {
			if strings.TrimSpace(lines_.Text()) != "" {
				lines = append(lines, lines_.Text())
			}
		}
		return lines
	}
	what := strings.Join(args, " ")
	switch {
	case what == "version":
		fmt.Println("Version:  0.1.0\nRuntimeName:  containerd")
	case what == "images" || what == "image ls" || what == "images -o json" || what == "images --output json":
		var images []map[string]any
		for _, name := range asked("images", "list", "-q") {
			if !strings.HasPrefix(name, "sha256:") {
				images = append(images, map[string]any{"id": name, "repoTags": []string{name}, "pinned": strings.Contains(name, "pause")})
			}
		}
		if strings.Contains(what, "json") {
			text, _ := json.Marshal(map[string]any{"images": images})
			fmt.Println(string(text))
			return
		}
		fmt.Println("IMAGE")
		for _, image := range images {
			fmt.Println(image["id"])
		}
	case what == "ps" || what == "ps -q":
		for _, line := range asked("tasks", "list", "-q") {
			fmt.Println(line)
		}
	case what == "rmi --prune":
		used := map[string]bool{}
		for _, line := range asked("containers", "list") {
			if words := strings.Fields(line); len(words) > 1 {
				used[words[1]] = true
			}
		}
		for _, name := range asked("images", "list", "-q") {
			if !used[name] && !strings.HasPrefix(name, "sha256:") && !strings.Contains(name, "pause") {
				asked("images", "remove", name)
				fmt.Println("Deleted:", name)
			}
		}
	default:
		fatal("this stand-in does not know crictl %s", what)
	}
}

func checkConfig([]string) {
	bad := 0
	check := func(what string, good bool) {
		if !good {
			bad++
		}
		fmt.Printf("- %s: %s\n", what, map[bool]string{true: "good", false: "missing"}[good])
	}
	fmt.Println("Verifying binaries in " + inside + ":")
	check("programs", exists(inside+"/bin/kubernetes"))
	fmt.Println("System:")
	controllers := read("/sys/fs/cgroup/cgroup.controllers") + read("/proc/cgroups")
	check("memory cgroup", strings.Contains(controllers, "memory"))
	check("overlay", strings.Contains(read("/proc/filesystems"), "overlay"))
	if bad > 0 {
		fmt.Printf("STATUS: %d (fail)\n", bad)
		os.Exit(1)
	}
	fmt.Println("STATUS: pass")
}

func certificate(args []string) {
	if len(args) == 0 || args[0] != "check" {
		fatal("this stand-in only knows certificate check")
	}
	files, _ := filepath.Glob(dataDir + "/server/tls/*.crt")
	more, _ := filepath.Glob(dataDir + "/agent/*.crt")
	files = append(files, more...)
	sort.Strings(files)
	type row struct{ Filename, Subject, Expires, Status string }
	var rows []row
	for _, file := range files {
		found, err := x509.ParseCertificate(block(file))
		must(err)
		status := "OK"
		if left := time.Until(found.NotAfter); left < 0 {
			status = "EXPIRED"
		} else if left < 120*24*time.Hour {
			status = "WARNING"
		}
		rows = append(rows, row{filepath.Base(file), found.Subject.String(), found.NotAfter.UTC().Format(time.RFC3339), status})
	}
	if what := strings.Join(args[1:], " "); what == "--output json" || what == "--output=json" {
		text, _ := json.Marshal(rows)
		fmt.Println(string(text))
		return
	}
	fmt.Println("FILENAME SUBJECT EXPIRES STATUS")
	for _, row := range rows {
		fmt.Println(row.Filename, row.Subject, row.Expires, row.Status)
	}
}

func letters(count int) string {
	raw := make([]byte, count)
	_, err := rand.Read(raw)
	must(err)
	for at := range raw {
		raw[at] = "abcdefghijklmnopqrstuvwxyz0123456789"[raw[at]%36]
	}
	return string(raw)
}

// token create|list|delete|generate. Those that expire are only for agents.
func token(args []string) {
	if len(args) == 0 {
		fatal("token: a subcommand is missing: create, list, delete, generate")
	}
	n := &node{data: dataDir, tls: dataDir + "/server/tls"}
	secrets := "/api/v1/namespaces/kube-system/secrets"
	what, value := args[0], func(name, otherwise string) string {
		for at, word := range args {
			if rest, is := strings.CutPrefix(word, "--"+name+"="); is {
				return rest
			} else if word == "--"+name && at+1 < len(args) {
				return args[at+1]
			}
		}
		return otherwise
	}
	switch what {
	case "generate":
		fmt.Println(letters(6) + "." + letters(16))
	case "create":
		id, key := letters(6), letters(16)
		for _, word := range args[1:] {
			if parts := strings.Split(word, "."); len(parts) == 2 && len(parts[0]) == 6 && len(parts[1]) == 16 {
				id, key = parts[0], parts[1]
			}
		}
		life, err := time.ParseDuration(value("ttl", "24h"))
		must(err)
		data := map[string]string{"token-id": id, "token-secret": key, "usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true",
			"auth-extra-groups": "system:bootstrappers:k3s:default-node-token", "description": value("description", "")}
		if life > 0 {
			data["expiration"] = time.Now().Add(life).UTC().Format(time.RFC3339)
		}
		_, err = n.api("POST", secrets, map[string]any{"metadata": map[string]any{"name": "bootstrap-token-" + id}, "type": "bootstrap.kubernetes.io/token", "stringData": data})
		must(err)
		text, err := os.ReadFile(n.tls + "/server-ca.crt")
		must(err)
		fmt.Printf("K10%s::%s.%s\n", hash(text), id, key)
	case "list":
		found, err := n.api("GET", secrets+"?fieldSelector=type%3Dbootstrap.kubernetes.io/token", nil)
		must(err)
		fmt.Println("TOKEN EXPIRES")
		items, _ := found["items"].([]any)
		for _, item := range items {
			fmt.Println(strings.TrimPrefix(fmt.Sprint(at(item, "metadata", "name")), "bootstrap-token-"), decoded(at(item, "data", "expiration")))
		}
	case "delete":
		for _, id := range args[1:] {
			id, _, _ = strings.Cut(id, ".")
			_, err := n.api("DELETE", secrets+"/bootstrap-token-"+id, nil)
			must(err)
			fmt.Printf("bootstrap token %q deleted\n", id)
		}
	default:
		fatal("No help topic for 'token %s'", what)
	}
}

// Is it the token of somebody who may join as an agent for now?
func (n *node) bootstrapToken(_, password string) bool {
	id, key, is := strings.Cut(password, ".")
	if !is || len(id) != 6 || len(key) != 16 {
		return false
	}
	found, err := n.api("GET", "/api/v1/namespaces/kube-system/secrets/bootstrap-token-"+id, nil)
	if err != nil || decoded(at(found, "data", "token-secret")) != key {
		return false
	}
	until := decoded(at(found, "data", "expiration"))
	end, err := time.Parse(time.RFC3339, until)
	return until == "" || err == nil && time.Now().Before(end)
}
