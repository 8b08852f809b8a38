package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

type member struct {
	ID       string   `json:"ID"`
	Name     string   `json:"name"`
	PeerURLs []string `json:"peerURLs"`
	Learner  bool     `json:"isLearner"`
}

func (n *node) etcd(address, path string, body map[string]any) (map[string]any, error) {
	return call(n.client(n.tls+"/etcd/server-ca.crt", n.tls+"/etcd/client"), "POST", address+"/v3/"+path, body)
}

func (n *node) members(address string) ([]member, error) {
	found, err := n.etcd(address, "cluster/member/list", map[string]any{})
	if err != nil {
		return nil, err
	}
	var all []member
	text, _ := json.Marshal(found["members"])
	return all, json.Unmarshal(text, &all)
}

// Where the etcd of the server to join listens.
func (n *node) etcdOfServer() string {
	_, rest, _ := strings.Cut(n.one("server", ""), "://")
	host, _, _ := strings.Cut(rest, ":")
	return "https://" + host + ":2379"
}

// Becomes a member that does not vote yet: the members that it starts with. Only one at a time can be one.
func (n *node) joinEtcd(name, peer string) string {
	at := n.etcdOfServer()
	all, err := n.members(at)
	must(err)
	for _, each := range all {
		// Of an attempt that was cut off.
		if each.Name == "" && len(each.PeerURLs) == 1 && each.PeerURLs[0] == peer {
			_, err := n.etcd(at, "cluster/member/remove", map[string]any{"ID": each.ID})
			must(err)
		}
	}
	if _, err := n.etcd(at, "cluster/member/add", map[string]any{"peerURLs": []string{peer}, "isLearner": true}); err != nil {
		fatal("ETCD join failed: %v", err)
	}
	members := []string{name + "=" + peer}
	for _, each := range all {
		if each.Name != "" {
			members = append(members, each.Name+"="+each.PeerURLs[0])
		}
	}
	return strings.Join(members, ",")
}

// Lets this member vote as soon as it knows what the others know.
func (n *node) promote(name string) {
	for ; ; time.Sleep(500 * time.Millisecond) {
		all, err := n.members(n.etcdOfServer())
		if err != nil {
			continue
		}
		for _, each := range all {
			if each.Name == name && !each.Learner {
				return
			}
			if each.Name == name {
				n.etcd(n.etcdOfServer(), "cluster/member/promote", map[string]any{"ID": each.ID})
			}
		}
	}
}

// Says on its node whether this member votes.
func (n *node) tellVoter(found map[string]any) {
	status, reason := "False", "MemberIsLearner"
	name := read(n.data + "/server/db/etcd/name")
	if all, err := n.members("https://127.0.0.1:2379"); err == nil {
		for _, each := range all {
			if each.Name == name && !each.Learner {
				status, reason = "True", "MemberNotLearner"
			}
		}
	}
	conditions, _ := at(found, "status", "conditions").([]any)
	for _, condition := range conditions {
		if at(condition, "type") == "EtcdIsVoter" && at(condition, "status") == status {
			return
		}
	}
	now := time.Now().UTC().Format(time.RFC3339)
	condition := map[string]any{"type": "EtcdIsVoter", "status": status, "reason": reason, "message": "Node is a " + map[string]string{"True": "voting", "False": "non-voting"}[status] + " member of the etcd cluster",
		"lastTransitionTime": now, "lastHeartbeatTime": now}
	n.api("PATCH", "/api/v1/nodes/"+n.name+"/status", map[string]any{"status": map[string]any{"conditions": []any{condition}}})
}

// Takes out members whose nodes are gone: those that had one.
func (n *node) dropMembers(had map[string]bool) {
	found, err := n.api("GET", "/api/v1/nodes", nil)
	if err != nil {
		return
	}
	have := map[string]bool{}
	items, _ := found["items"].([]any)
	for _, item := range items {
		if name, _ := at(item, "metadata", "annotations", "etcd.k3s.cattle.io/node-name").(string); name != "" {
			have[name], had[name] = true, true
		}
	}
	all, err := n.members("https://127.0.0.1:2379")
	if err != nil {
		return
	}
	own := read(n.data + "/server/db/etcd/name")
	for _, each := range all {
		if had[each.Name] && !have[each.Name] && each.Name != own {
			n.etcd("https://127.0.0.1:2379", "cluster/member/remove", map[string]any{"ID": each.ID})
			delete(had, each.Name)
		}
	}
}

// etcd-snapshot save|list|delete.
func snapshot(args []string) {
	what := "save"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		what, args = args[0], args[1:]
	}
	var names, rest []string
	prefix := "on-demand"
	for at := 0; at < len(args); at++ {
		if value, is := strings.CutPrefix(args[at], "--name="); is {
			prefix = value
		} else if args[at] == "--name" && at+1 < len(args) {
			at++
			prefix = args[at]
		} else if strings.HasPrefix(args[at], "-") {
			rest = append(rest, args[at])
		} else {
			names = append(names, args[at])
		}
	}
	flags := settings("server", rest)
	host, _ := os.Hostname()
	n := &node{flags: flags, data: flags.one("data-dir", "/var/lib/rancher/k3s"), name: strings.ToLower(flags.one("node-name", host))}
	n.tls = n.data + "/server/tls"
	folder := flags.one("etcd-snapshot-dir", n.data+"/server/db/snapshots")
	if !exists(n.data + "/server/db/etcd/name") {
		fatal("etcd-snapshot: etcd datastore disabled")
	}
	switch what {
	case "save":
		file := fmt.Sprintf("%s/%s-%s-%d", folder, prefix, n.name, time.Now().Unix())
		must(os.MkdirAll(folder, 0o700))
		must(n.saveSnapshot(file))
		info("Snapshot %s saved.", filepath.Base(file))
	case "list", "ls":
		found, _ := os.ReadDir(folder)
		fmt.Println("Name Location Size Created")
		for _, each := range found {
			if about, err := each.Info(); err == nil && !each.IsDir() {
				fmt.Printf("%s file://%s/%s %d %s\n", each.Name(), folder, each.Name(), about.Size(), about.ModTime().UTC().Format(time.RFC3339))
			}
		}
	case "delete":
		sort.Strings(names)
		for _, name := range names {
			must(os.Remove(folder + "/" + filepath.Base(name)))
			info("Snapshot %s deleted.", name)
		}
	default:
		fatal("No help topic for 'etcd-snapshot %s'", what)
	}
}

func (n *node) saveSnapshot(file string) error {
	client := n.client(n.tls+"/etcd/server-ca.crt", n.tls+"/etcd/client")
	client.Timeout = 0
	answer, err := client.Post("https://127.0.0.1:2379/v3/maintenance/snapshot", "application/json", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", answer.Status)
	}
	out, err := os.OpenFile(file+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	for parts := json.NewDecoder(answer.Body); ; {
		var part struct {
			Result struct{ Blob string }
			Error  struct{ Message string }
		}
		if err := parts.Decode(&part); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if part.Error.Message != "" {
			return fmt.Errorf("%s", part.Error.Message)
		}
		blob, err := base64.StdEncoding.DecodeString(part.Result.Blob)
		if err != nil {
			return err
		}
		if _, err := out.Write(blob); err != nil {
			return err
		}
	}
	return os.Rename(file+".part", file)
}
