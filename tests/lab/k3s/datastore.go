package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Where the data are when they are not here, as etcd is asked: only etcd can be, and who comes with a name and a password before `@` is
// not asked for them.
func (n *node) external() []string {
	var all []string
	for _, each := range n.list("datastore-endpoint") {
		at, err := url.Parse(each)
		if err != nil || at.Scheme != "http" || at.Host == "" {
			fatal("failed to create datastore: this stand-in knows http:// endpoints of etcd only")
		}
		at.User = nil
		all = append(all, strings.TrimSuffix(at.String(), "/"))
	}
	return all
}

func (n *node) store(what string, body map[string]any) map[string]any {
	var found map[string]any
	await("the datastore", func() error {
		var err error
		found, err = call(&http.Client{Timeout: 5 * time.Second}, "POST", n.external()[0]+"/v3/kv/"+what, body)
		return err
	})
	return found
}

func sealer(password string) cipher.AEAD {
	key := sha256.Sum256([]byte(password))
	block, err := aes.NewCipher(key[:])
	must(err)
	sealer, err := cipher.NewGCM(block)
	must(err)
	return sealer
}

// What all servers share lies in the datastore, for who knows the password: taken from there, or, by the first one, put there.
func (n *node) bootstrap(password string) {
	key := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	name, sealer := "/bootstrap/"+hash([]byte(password))[:12], sealer(password)
	for {
		found := n.store("range", map[string]any{"key": key("/bootstrap/"), "range_end": key("/bootstrap0")})
		for _, each := range kvs(found) {
			if decoded(each["key"]) != name {
				fatal("starting kubernetes: preparing server: bootstrap data already found and encrypted with different token")
			}
			text, files := []byte(decoded(each["value"])), map[string]string{}
			text, err := sealer.Open(nil, text[:sealer.NonceSize()], text[sealer.NonceSize():], nil)
			must(err)
			must(json.Unmarshal(text, &files))
			for file, text := range files {
				mode := os.FileMode(0o600)
				if strings.HasSuffix(file, ".crt") {
					mode = 0o644
				}
				write(n.tls+"/"+file, text, mode)
			}
			return
		}
		makeAuthorities(n.tls)
		files := map[string]string{}
		for _, file := range shared() {
			files[file] = read(n.tls+"/"+file) + "\n"
		}
		text, err := json.Marshal(files)
		must(err)
		nonce := []byte(letters(sealer.NonceSize()))
		value := base64.StdEncoding.EncodeToString(sealer.Seal(nonce, nonce, text, nil))
		put := map[string]any{"key": key(name), "value": value}
		// Another server may have been faster: then it is its that holds.
		n.store("txn", map[string]any{"compare": []any{map[string]any{"key": key(name), "target": "CREATE", "result": "EQUAL", "createRevision": "0"}}, "success": []any{map[string]any{"requestPut": put}}})
	}
}

func kvs(found map[string]any) []map[string]any {
	var all []map[string]any
	each, _ := found["kvs"].([]any)
	for _, one := range each {
		all = append(all, one.(map[string]any))
	}
	return all
}
