package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Graph calls the Graph API.
type Graph struct {
	client *http.Client
	url    string
}

// Holding is what a number holds: the fingerprint of its key, and the signature status.
type Holding struct {
	fingerprint, status string
}

func newGraph(base, caFile string) (*Graph, error) {
	authorities := x509.NewCertPool()
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	if !authorities.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: authorities},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
	}
	return &Graph{client: &http.Client{Transport: transport}, url: base}, nil
}

func (g *Graph) read(ctx context.Context, token, number string) (Holding, error) {
	var answer struct {
		Data []struct {
			Key    string `json:"business_public_key"`
			Status string `json:"business_public_key_signature_status"`
		} `json:"data"`
	}
	if err := g.call(ctx, http.MethodGet, token, number, "", &answer); err != nil || len(answer.Data) == 0 {
		return Holding{}, err
	}
	block, _ := pem.Decode([]byte(answer.Data[0].Key))
	if block == nil {
		return Holding{}, nil
	}
	return Holding{fingerprint: fingerprint(block.Bytes), status: answer.Data[0].Status}, nil
}

func (g *Graph) upload(ctx context.Context, token, number, publicKey string) error {
	var answer struct {
		Success bool `json:"success"`
	}
	form := url.Values{"business_public_key": {publicKey}}.Encode()
	if err := g.call(ctx, http.MethodPost, token, number, form, &answer); err != nil {
		return err
	}
	if !answer.Success {
		return fmt.Errorf("number %s: the upload was not successful", number)
	}
	return nil
}

func (g *Graph) call(ctx context.Context, method, token, number, form string, answer any) error {
	address := g.url + "/v25.0/" + number + "/whatsapp_business_encryption"
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := g.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("number %s: HTTP status %d", number, response.StatusCode)
	}
	return json.Unmarshal(body, answer)
}

func fingerprint(subjectPublicKeyInfo []byte) string {
	digest := sha256.Sum256(subjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(digest[:])
}

// publicKeyOf returns the public half of a private key in PEM: as PEM, and its fingerprint.
func publicKeyOf(privateKey []byte) (string, string, error) {
	block, _ := pem.Decode(privateKey)
	if block == nil {
		return "", "", fmt.Errorf("the private key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", "", err
	}
	pair, ok := key.(crypto.Signer)
	if !ok {
		return "", "", fmt.Errorf("the private key has no public half")
	}
	info, err := x509.MarshalPKIXPublicKey(pair.Public())
	if err != nil {
		return "", "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: info})
	return string(text), fingerprint(info), nil
}
