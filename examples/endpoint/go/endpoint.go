// A WhatsApp Flow endpoint that tries every private key in a folder.
package main

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

var (
	keyFolder     = cmp.Or(os.Getenv("KEY_FOLDER"), "keys")
	appSecretFile = os.Getenv("APP_SECRET_FILE")
	port          = cmp.Or(os.Getenv("PORT"), "8080")
)

// answer is the place for your Flow.
func answer(request map[string]any) any {
	data, _ := request["data"].(map[string]any)
	switch {
	case request["action"] == "ping":
		return map[string]any{"data": map[string]any{"status": "active"}}
	case data["error"] != nil:
		return map[string]any{"data": map[string]any{"acknowledged": true}}
	default:
		return map[string]any{"screen": "SUCCESS", "data": map[string]any{}}
	}
}

// isSigned accepts every request if there is no file with the app secret.
func isSigned(body []byte, signature string) (bool, error) {
	if appSecretFile == "" {
		return true, nil
	}
	content, err := os.ReadFile(appSecretFile)
	if err != nil {
		return false, err
	}
	secret := strings.TrimSpace(string(content))
	if secret == "" {
		return false, fmt.Errorf("%s is empty", appSecretFile)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	expected := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(signature), []byte(expected)), nil
}

// readKey reads a private key in PEM, as PKCS#8.
func readKey(path string) (*rsa.PrivateKey, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("the file is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not RSA")
	}
	return rsaKey, nil
}

// opened is a request that a key has opened.
type opened struct {
	request map[string]any
	gcm     cipher.AEAD
	iv      []byte
}

// open reads the folder for each request, so that a new key works without a restart.
func open(body []byte) (*opened, error) {
	// The decoder reads base64 into each field of type []byte.
	var encrypted struct {
		Data []byte `json:"encrypted_flow_data"`
		Key  []byte `json:"encrypted_aes_key"`
		IV   []byte `json:"initial_vector"`
	}
	if err := json.Unmarshal(body, &encrypted); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(keyFolder)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		// In a mounted Secret, names with a leading dot belong to Kubernetes.
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		key, err := readKey(filepath.Join(keyFolder, entry.Name()))
		if err != nil {
			log.Printf("%s is not a private key: %v", entry.Name(), err)
			continue
		}
		gcm, text, err := decrypt(key, encrypted.Key, encrypted.IV, encrypted.Data)
		if err != nil {
			continue // Perhaps the next key opens the request.
		}
		log.Printf("%s opened the request", entry.Name())
		request := opened{gcm: gcm, iv: encrypted.IV}
		return &request, json.Unmarshal(text, &request.request)
	}
	return nil, errors.New("no key opens the request")
}

func decrypt(key *rsa.PrivateKey, encryptedKey, iv, data []byte) (cipher.AEAD, []byte, error) {
	// SHA-256 both for the label and for MGF1.
	aesKey, err := rsa.DecryptOAEP(sha256.New(), nil, key, encryptedKey, nil)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(aesKey)
	if err != nil {
		return nil, nil, err
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		return nil, nil, err
	}
	text, err := gcm.Open(nil, iv, data, nil)
	return gcm, text, err
}

// seal encrypts with the key of the request, and with every bit of the IV flipped.
func (o *opened) seal(text []byte) string {
	flipped := make([]byte, len(o.iv))
	for i, b := range o.iv {
		flipped[i] = ^b
	}
	return base64.StdEncoding.EncodeToString(o.gcm.Seal(nil, flipped, text, nil))
}

func respond(body []byte, signature string) (int, string) {
	signed, err := isSigned(body, signature)
	if err != nil {
		log.Print(err)
		return http.StatusInternalServerError, ""
	}
	if !signed {
		return 432, ""
	}
	opened, err := open(body)
	if err != nil {
		log.Print(err)
		return http.StatusMisdirectedRequest, ""
	}
	text, err := json.Marshal(answer(opened.request))
	if err != nil {
		log.Print(err)
		return http.StatusInternalServerError, ""
	}
	return http.StatusOK, opened.seal(text)
}

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		status, text := respond(body, r.Header.Get("X-Hub-Signature-256"))
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		io.WriteString(w, text)
	})
	log.Printf("listening on port %s", port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
