package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The authorities of a cluster, in server/tls: every server has the same.
var authorities = []string{"server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca"}

// What a server that joins takes over from the first.
func shared() []string {
	var all []string
	for _, name := range authorities {
		all = append(all, name+".crt", name+".key")
	}
	return append(all, "service.key")
}

func newKey() (*ecdsa.PrivateKey, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	text, err := x509.MarshalECPrivateKey(key)
	must(err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text})
}

func serial() *big.Int {
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	must(err)
	return number
}

func makeAuthorities(folder string) {
	for _, name := range authorities {
		if exists(folder + "/" + name + ".crt") {
			continue
		}
		key, text := newKey()
		now := time.Now()
		template := &x509.Certificate{
			SerialNumber: serial(), Subject: pkix.Name{CommonName: fmt.Sprintf("k3s-%s@%d", strings.ReplaceAll(name, "/", "-"), now.Unix())},
			NotBefore: now.Add(-time.Minute), NotAfter: now.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		must(err)
		write(folder+"/"+name+".key", string(text), 0o600)
		write(folder+"/"+name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	}
	if !exists(folder + "/service.key") {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		must(err)
		write(folder+"/service.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), 0o600)
	}
}

// A certificate and its key, signed by an authority of `folder`.
func sign(folder, authority, name string, groups, hosts []string) (string, string) {
	signer, err := x509.ParseCertificate(block(folder + "/" + authority + ".crt"))
	must(err)
	with, err := x509.ParseECPrivateKey(block(folder + "/" + authority + ".key"))
	must(err)
	key, text := newKey()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name, Organization: groups},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if hosts != nil {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else if host != "" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, with)
	must(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(text)
}

// The same, into files. Made anew at each start: it knows the addresses of now.
func signed(folder, authority, file, name string, groups, hosts []string) {
	certificate, key := sign(folder, authority, name, groups, hosts)
	write(folder+"/"+file+".key", key, 0o600)
	write(folder+"/"+file+".crt", certificate, 0o644)
}

func block(path string) []byte {
	text, err := os.ReadFile(path)
	must(err)
	found, _ := pem.Decode(text)
	if found == nil {
		fatal("%s is no PEM file", path)
	}
	return found.Bytes
}

func hash(text []byte) string { sum := sha256.Sum256(text); return hex.EncodeToString(sum[:]) }

func secret(bytes int) string {
	raw := make([]byte, bytes)
	_, err := rand.Read(raw)
	must(err)
	return hex.EncodeToString(raw)
}

// A token: the hash of the authority if it has one, the user if it has one, the password.
func parseToken(token string) (pin, user, password string) {
	if rest, secure := strings.CutPrefix(token, "K10"); secure {
		if at := strings.Index(rest, "::"); at >= 0 {
			pin, token = rest[:at], rest[at+2:]
		}
	}
	if user, password, has := strings.Cut(token, ":"); has {
		return pin, user, password
	}
	return pin, "", token
}

func fullToken(folder, user, password string) string {
	text, err := os.ReadFile(folder + "/server-ca.crt")
	must(err)
	return "K10" + hash(text) + "::" + user + ":" + password
}

func kubeconfig(path, server, authority, certificate, key, name string, mode os.FileMode) {
	if !filepath.IsAbs(path) {
		fatal("%s is no absolute path", path)
	}
	write(path, fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
  name: %s
contexts:
- context:
    cluster: %s
    user: %s
  name: %s
current-context: %s
kind: Config
preferences: {}
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
`, base64Of(authority), server, name, name, name, name, name, name, base64Of(certificate), base64Of(key)), mode)
}
