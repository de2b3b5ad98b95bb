import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;

/** A WhatsApp Flow endpoint that tries every private key in a folder. */
public class Endpoint {
    static final Path KEY_FOLDER = Path.of(System.getenv().getOrDefault("KEY_FOLDER", "keys"));
    static final String APP_SECRET_FILE = System.getenv().getOrDefault("APP_SECRET_FILE", "");
    static final int PORT = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));

    /** SHA-256 both for the label and for MGF1. Java would use SHA-1 for MGF1 without this. */
    static final OAEPParameterSpec OAEP =
            new OAEPParameterSpec(
                    "SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT);

    static final int TAG_BITS = 128;

    /** A request that a key has opened. */
    record Opened(Map<?, ?> request, SecretKeySpec aesKey, byte[] iv) {}

    record Response(int status, String text) {}

    /** Your Flow goes here. */
    static String answer(Map<?, ?> request) {
        if ("ping".equals(request.get("action"))) {
            return "{\"data\": {\"status\": \"active\"}}";
        }
        if (request.get("data") instanceof Map<?, ?> data && data.get("error") != null) {
            return "{\"data\": {\"acknowledged\": true}}";
        }
        return "{\"screen\": \"SUCCESS\", \"data\": {}}";
    }

    /** Accepts every request if there is no file with the app secret. */
    static boolean isSigned(byte[] body, String signature)
            throws IOException, GeneralSecurityException {
        if (APP_SECRET_FILE.isEmpty()) {
            return true;
        }
        String secret = Files.readString(Path.of(APP_SECRET_FILE)).strip();
        Mac mac = Mac.getInstance("HmacSHA256");
        // Throws if the secret is empty.
        mac.init(new SecretKeySpec(secret.getBytes(UTF_8), "HmacSHA256"));
        String expected = "sha256=" + HexFormat.of().formatHex(mac.doFinal(body));
        return MessageDigest.isEqual(signature.getBytes(UTF_8), expected.getBytes(UTF_8));
    }

    /** In a mounted Secret, names with a leading dot belong to Kubernetes. */
    static List<Path> keyFiles() throws IOException {
        try (var files = Files.list(KEY_FOLDER)) {
            return files.filter(file -> !file.getFileName().toString().startsWith(".")).toList();
        }
    }

    /** Reads a private key in PEM, as PKCS#8. */
    static PrivateKey readKey(Path file) throws IOException, GeneralSecurityException {
        String base64 = Files.readString(file).replaceAll("-----[^-]*-----|\\s", "");
        var key = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64));
        return KeyFactory.getInstance("RSA").generatePrivate(key);
    }

    /** Reads the folder for each request, so that a new key works without a restart. */
    static Opened open(byte[] body) throws IOException {
        Map<?, ?> fields = (Map<?, ?>) Json.parse(new String(body, UTF_8));
        byte[] data = bytes(fields, "encrypted_flow_data");
        byte[] encryptedKey = bytes(fields, "encrypted_aes_key");
        byte[] iv = bytes(fields, "initial_vector");
        for (Path file : keyFiles()) {
            PrivateKey key;
            try {
                key = readKey(file);
            } catch (Exception e) {
                System.err.println(file.getFileName() + " is not a private key: " + e);
                continue;
            }
            try {
                Cipher rsa = Cipher.getInstance("RSA/ECB/OAEPPadding");
                rsa.init(Cipher.DECRYPT_MODE, key, OAEP);
                var aesKey = new SecretKeySpec(rsa.doFinal(encryptedKey), "AES");
                byte[] text = crypt(Cipher.DECRYPT_MODE, aesKey, iv, data);
                Object request = Json.parse(new String(text, UTF_8));
                System.err.println(file.getFileName() + " opened the request");
                return new Opened((Map<?, ?>) request, aesKey, iv);
            } catch (GeneralSecurityException e) {
                // Perhaps the next key opens the request.
            }
        }
        throw new IllegalArgumentException("no key opens the request");
    }

    static byte[] bytes(Map<?, ?> fields, String name) {
        return Base64.getDecoder().decode((String) fields.get(name));
    }

    static byte[] crypt(int mode, SecretKeySpec aesKey, byte[] iv, byte[] data)
            throws GeneralSecurityException {
        Cipher aes = Cipher.getInstance("AES/GCM/NoPadding");
        aes.init(mode, aesKey, new GCMParameterSpec(TAG_BITS, iv));
        return aes.doFinal(data);
    }

    /** Encrypts with the key of the request, and with every bit of the IV flipped. */
    static String seal(String text, Opened opened) throws GeneralSecurityException {
        byte[] flipped = opened.iv().clone();
        for (int i = 0; i < flipped.length; i++) {
            flipped[i] = (byte) ~flipped[i];
        }
        byte[] bytes = text.getBytes(UTF_8);
        byte[] sealed = crypt(Cipher.ENCRYPT_MODE, opened.aesKey(), flipped, bytes);
        return Base64.getEncoder().encodeToString(sealed);
    }

    static Response respond(byte[] body, String signature)
            throws IOException, GeneralSecurityException {
        if (!isSigned(body, signature)) {
            return new Response(432, "");
        }
        Opened opened;
        try {
            opened = open(body);
        } catch (Exception | StackOverflowError e) {
            System.err.println(e);
            return new Response(421, "");
        }
        return new Response(200, seal(answer(opened.request()), opened));
    }

    static void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            String signature = exchange.getRequestHeaders().getFirst("X-Hub-Signature-256");
            Response response;
            try {
                response = respond(body, signature == null ? "" : signature);
            } catch (Exception e) {
                e.printStackTrace();
                response = new Response(500, "");
            }
            byte[] text = response.text().getBytes(UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "text/plain");
            exchange.sendResponseHeaders(response.status(), text.length == 0 ? -1 : text.length);
            exchange.getResponseBody().write(text);
        }
    }

    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(PORT), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", Endpoint::handle);
        server.start();
        System.err.println("listening on port " + PORT);
    }
}

/**
 * Reads JSON, because the JDK does not. An object becomes a map, and an array becomes a list. A
 * number or a boolean stays text. Your own endpoint will use a library.
 */
class Json {
    private final String text;
    private int at = 0;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json json = new Json(text.strip());
        Object value = json.value();
        if (json.at < json.text.length()) {
            throw new IllegalArgumentException("text after the JSON");
        }
        return value;
    }

    private Object value() {
        return switch (next()) {
            case '{' -> object();
            case '[' -> array();
            case '"' -> string();
            default -> word();
        };
    }

    private Map<String, Object> object() {
        Map<String, Object> object = new HashMap<>();
        take('{');
        while (next() != '}') {
            String name = string();
            take(':');
            object.put(name, value());
            if (next() != '}') {
                take(',');
            }
        }
        take('}');
        return object;
    }

    private List<Object> array() {
        List<Object> array = new ArrayList<>();
        take('[');
        while (next() != ']') {
            array.add(value());
            if (next() != ']') {
                take(',');
            }
        }
        take(']');
        return array;
    }

    private String string() {
        StringBuilder string = new StringBuilder();
        take('"');
        for (char c = text.charAt(at++); c != '"'; c = text.charAt(at++)) {
            string.append(c == '\\' ? escape() : c);
        }
        return string.toString();
    }

    private char escape() {
        char c = text.charAt(at++);
        return switch (c) {
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> (char) Integer.parseInt(text.substring(at, at += 4), 16);
            default -> c;
        };
    }

    private String word() {
        int start = at;
        while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) {
            at++;
        }
        String word = text.substring(start, at);
        return word.equals("null") ? null : word;
    }

    /** The next character that is not white space. */
    private char next() {
        while (Character.isWhitespace(text.charAt(at))) {
            at++;
        }
        return text.charAt(at);
    }

    private void take(char expected) {
        if (next() != expected) {
            throw new IllegalArgumentException("no " + expected + " in the JSON");
        }
        at++;
    }
}
