package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Where each server's DNS listens, on the address of its node.
const dnsPort = 10053

// What an answer says besides addresses.
const (
	noError  = 0
	badQuery = 1
	failed   = 2
	noName   = 3
)

// In place of CoreDNS: names of Services and of the pods behind them, from the API at each question; all others as this host knows them.
func (n *node) dns() {
	services, endpoints := "/api/v1/namespaces/kube-system/services", "/api/v1/namespaces/kube-system/endpoints"
	ports := func(target string) []any {
		return []any{object{"name": "dns", "port": 53, "protocol": "UDP", target: dnsPort}, object{"name": "dns-tcp", "port": 53, "protocol": "TCP", target: dnsPort}}
	}
	labels := object{"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
	address := n.one("cluster-dns", n.service(10))
	n.packaged("coredns", services, object{"metadata": object{"name": "kube-dns", "labels": labels}, "spec": object{"clusterIP": address, "ports": ports("targetPort")}})
	if n.disabled("coredns") {
		return
	}
	at := &net.UDPAddr{IP: net.ParseIP(n.ip), Port: dnsPort}
	packets, err := net.ListenUDP("udp", at)
	if err == nil {
		var streams net.Listener
		streams, err = net.Listen("tcp", at.String())
		if err == nil {
			go n.dnsStreams(streams)
		}
	}
	if err != nil {
		fatal("coredns: %v", err)
	}
	go n.dnsPackets(packets)
	// The servers that are ready are those that answer.
	before := ""
	for ; ; time.Sleep(time.Second) {
		nodes, err := n.api("GET", "/api/v1/nodes?labelSelector=node-role.kubernetes.io/control-plane%3Dtrue", nil)
		if err != nil {
			continue
		}
		addresses := []any{}
		for _, each := range items(nodes) {
			if isReady(each) {
				addresses = append(addresses, object{"ip": internal(each)})
			}
		}
		text, _ := json.Marshal(addresses)
		if len(addresses) == 0 || string(text) == before {
			continue
		}
		ports := []any{object{"name": "dns", "port": dnsPort, "protocol": "UDP"}, object{"name": "dns-tcp", "port": dnsPort, "protocol": "TCP"}}
		wished := object{"metadata": object{"name": "kube-dns", "labels": labels}, "subsets": []any{object{"addresses": addresses, "ports": ports}}}
		if _, err := n.api("PUT", endpoints+"/kube-dns", wished); err == nil {
			before = string(text)
		} else {
			n.api("POST", endpoints, wished)
		}
	}
}

func isReady(node any) bool {
	conditions, _ := at(node, "status", "conditions").([]any)
	for _, one := range conditions {
		if at(one, "type") == "Ready" {
			return at(one, "status") == "True"
		}
	}
	return false
}

func internal(node any) string {
	addresses, _ := at(node, "status", "addresses").([]any)
	for _, one := range addresses {
		if at(one, "type") == "InternalIP" {
			return text(one, "address")
		}
	}
	return ""
}

func (n *node) dnsPackets(packets *net.UDPConn) {
	client := n.dnsClient()
	for {
		query := make([]byte, 4096)
		size, from, err := packets.ReadFromUDP(query)
		if err != nil {
			continue
		}
		go func() {
			if answer := n.dnsAnswer(client, query[:size]); answer != nil {
				packets.WriteToUDP(answer, from)
			}
		}()
	}
}

func (n *node) dnsStreams(streams net.Listener) {
	client := n.dnsClient()
	for {
		stream, err := streams.Accept()
		must(err)
		go func() {
			defer stream.Close()
			stream.SetDeadline(time.Now().Add(10 * time.Second))
			size := make([]byte, 2)
			for {
				if _, err := io.ReadFull(stream, size); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(size))
				if _, err := io.ReadFull(stream, query); err != nil {
					return
				}
				answer := n.dnsAnswer(client, query)
				stream.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}
		}()
	}
}

func (n *node) dnsClient() *http.Client {
	return n.client(n.tls+"/server-ca.crt", n.tls+"/client-k3s-controller")
}

// A message of one question, answered: RFC 1035, as far as it is asked here.
func (n *node) dnsAnswer(client *http.Client, query []byte) []byte {
	if len(query) < 12 || query[2]&0x80 != 0 {
		return nil
	}
	var labels []string
	end := 12
	for end < len(query) && query[end] != 0 {
		next := end + 1 + int(query[end])
		if query[end] > 63 || next >= len(query) {
			return nil
		}
		labels = append(labels, strings.ToLower(string(query[end+1:next])))
		end = next
	}
	if end+5 > len(query) {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	addresses, code := n.resolve(client, labels)
	if query[2]>>3&15 != 0 {
		addresses, code = nil, badQuery
	}
	if kind != 1 {
		// There are only addresses of the fourth version: a name that exists has none of the others.
		addresses = nil
	}
	if len(addresses) > 25 {
		addresses = addresses[:25]
	}
	answer := append([]byte{}, query[:end+5]...)
	answer[2], answer[3] = 0x84|query[2]&1, 0x80|byte(code)
	for at, count := range []int{1, len(addresses), 0, 0} {
		binary.BigEndian.PutUint16(answer[4+2*at:], uint16(count))
	}
	for _, address := range addresses {
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4)
		answer = append(answer, address...)
	}
	return answer
}

func (n *node) resolve(client *http.Client, labels []string) ([]net.IP, int) {
	name := strings.Join(labels, ".")
	domain := n.one("cluster-domain", "cluster.local")
	inside, ours := strings.CutSuffix(name, "."+domain)
	if !ours {
		return elsewhere(name)
	}
	parts := strings.Split(strings.TrimSuffix(inside, ".svc"), ".")
	if !strings.HasSuffix(inside, ".svc") || len(parts) > 3 {
		return nil, noName
	}
	ask := func(kind string) (object, int) {
		path := "/api/v1/namespaces/" + url.PathEscape(parts[len(parts)-1])
		if len(parts) > 1 {
			path += "/" + kind + "/" + url.PathEscape(parts[len(parts)-2])
		}
		found, err := call(client, "GET", "https://127.0.0.1:"+apiPort+path, nil)
		switch {
		case err == nil:
			return found, noError
		case at(found, "code") == float64(404):
			return nil, noName
		}
		return nil, failed
	}
	found, code := ask("services")
	if code != noError || len(parts) == 1 {
		return nil, code
	}
	if address := net.ParseIP(text(found, "spec", "clusterIP")).To4(); address != nil {
		if len(parts) == 3 {
			return nil, noName
		}
		return []net.IP{address}, noError
	}
	// Headless: the pods behind it that are ready, all or the one of that name.
	found, code = ask("endpoints")
	var all []net.IP
	subsets, _ := at(found, "subsets").([]any)
	for _, subset := range subsets {
		addresses, _ := at(subset, "addresses").([]any)
		for _, one := range addresses {
			address := net.ParseIP(text(one, "ip")).To4()
			called := text(one, "hostname")
			if called == "" {
				called = strings.ReplaceAll(text(one, "ip"), ".", "-")
			}
			if address != nil && (len(parts) == 2 || called == parts[0]) {
				all = append(all, address)
			}
		}
	}
	if code == noError && len(all) == 0 && len(parts) == 3 {
		code = noName
	}
	return all, code
}

// A name that is none of the cluster's: as this host's own files and resolver know it.
func elsewhere(name string) ([]net.IP, int) {
	limit, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupIP(limit, "ip4", name+".")
	if missing, is := err.(*net.DNSError); is && missing.IsNotFound {
		return nil, noName
	} else if err != nil {
		return nil, failed
	}
	for at := range found {
		found[at] = found[at].To4()
	}
	return found, noError
}
