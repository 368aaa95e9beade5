package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// writeIdentities makes a certificate authority, the server's and the administrator's certificates, the key that signs
// service account tokens, and DIR/kubeconfig. It returns the administrator's identity.
func writeIdentities(dir, server string) (tls.Certificate, error) {
	none := tls.Certificate{}
	if err := os.MkdirAll(filepath.Join(dir, "pki"), 0o700); err != nil {
		return none, err
	}
	authority := template("gantline-e2e")
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	root, err := issue(authority, nil)
	if err != nil {
		return none, err
	}
	forServer := template("kube-apiserver")
	forServer.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	forServer.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	forServer.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	serving, err := issue(forServer, root)
	if err != nil {
		return none, err
	}
	forAdmin := template("kubernetes-admin", "system:masters")
	forAdmin.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	admin, err := issue(forAdmin, root)
	if err != nil {
		return none, err
	}
	tokens, err := issue(template("tokens"), root)
	if err != nil {
		return none, err
	}
	public, err := x509.MarshalPKIXPublicKey(&tokens.private.PublicKey)
	if err != nil {
		return none, err
	}
	encode := base64.StdEncoding.EncodeToString
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: e2e
clusters:
- name: e2e
  cluster: {server: %q, certificate-authority-data: %s}
users:
- name: admin
  user: {client-certificate-data: %s, client-key-data: %s}
contexts:
- name: e2e
  context: {cluster: e2e, user: admin}
`, server, encode(root.certificate), encode(admin.certificate), encode(admin.key))
	for name, content := range map[string][]byte{
		"pki/ca.crt": root.certificate, "pki/server.crt": serving.certificate, "pki/server.key": serving.key,
		"pki/accounts.key": tokens.key, "pki/accounts.pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"kubeconfig": []byte(kubeconfig),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return none, err
		}
	}
	return tls.X509KeyPair(admin.certificate, admin.key)
}

// identity is a certificate with its key, both in PEM as well.
type identity struct {
	parsed           *x509.Certificate
	private          *ecdsa.PrivateKey
	certificate, key []byte
}

// issue signs what template describes; without an authority it signs itself.
func issue(template *x509.Certificate, by *identity) (*identity, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent, signer := template, private
	if by != nil {
		parent, signer = by.parsed, by.private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, err
	}
	return &identity{parsed: parsed, private: private,
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})}, nil
}

func template(name string, groups ...string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: groups},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
}
