// The cases with one of Java's clients: Client CLIENT URL FOLDER SILENCE_S CASE...

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.HttpURLConnection;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okio.BufferedSink;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.io.entity.ByteArrayEntity;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.http.io.entity.InputStreamEntity;

public class Client {
    record Answer(int status, String text) {}

    record Call(String path, String type, long timeoutMs, boolean chunked, boolean close) {
        static final Call ORDINARY = new Call("echo", "application/json", 60000, false, false);
    }

    static class GaveUp extends IOException {}

    interface Poster {
        Answer post(String url, byte[] body, Call call) throws Exception;
    }

    static Poster jdk(HttpClient client) {
        return (url, body, call) -> {
            HttpRequest.BodyPublisher sent = call.chunked()
                ? HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))
                : HttpRequest.BodyPublishers.ofByteArray(body);
            HttpRequest request = HttpRequest.newBuilder(URI.create(url)).header("Content-Type", call.type())
                .timeout(Duration.ofMillis(call.timeoutMs())).POST(sent).build();
            try {
                HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
                return new Answer(answer.statusCode(), answer.body());
            } catch (HttpTimeoutException error) {
                throw new GaveUp();
            }
        };
    }

    static Answer urlConnection(String url, byte[] body, Call call) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
        connection.setDoOutput(true);
        connection.setReadTimeout((int) call.timeoutMs());
        connection.setRequestProperty("Content-Type", call.type());
        if (call.close()) connection.setRequestProperty("Connection", "close");
        if (call.chunked()) connection.setChunkedStreamingMode(16384);
        try {
            connection.getOutputStream().write(body);
            connection.getOutputStream().close();
            int status = connection.getResponseCode();
            InputStream stream = status < 400 ? connection.getInputStream() : connection.getErrorStream();
            return new Answer(status, new String(stream.readAllBytes(), StandardCharsets.UTF_8));
        } catch (SocketTimeoutException error) {
            throw new GaveUp();
        }
    }

    static Poster okHttp() {
        OkHttpClient client = new OkHttpClient();
        return (url, body, call) -> {
            MediaType type = MediaType.parse(call.type());
            RequestBody sent = call.chunked() ? new RequestBody() {
                @Override public MediaType contentType() { return type; }
                @Override public void writeTo(BufferedSink sink) throws IOException { sink.write(body); }
            } : RequestBody.create(body, type);
            Request.Builder request = new Request.Builder().url(url).post(sent);
            if (call.close()) request.header("Connection", "close");
            OkHttpClient limited = client.newBuilder().callTimeout(call.timeoutMs(), TimeUnit.MILLISECONDS)
                .readTimeout(call.timeoutMs(), TimeUnit.MILLISECONDS).build();
            try (okhttp3.Response answer = limited.newCall(request.build()).execute()) {
                return new Answer(answer.code(), answer.body().string());
            } catch (InterruptedIOException error) {
                throw new GaveUp();
            }
        };
    }

    static Poster apache() {
        CloseableHttpClient client = HttpClients.custom().setConnectionManager(
            PoolingHttpClientConnectionManagerBuilder.create().setMaxConnPerRoute(20).build()).build();
        return (url, body, call) -> {
            HttpPost post = new HttpPost(url);
            post.setConfig(RequestConfig.custom().setResponseTimeout(call.timeoutMs(), TimeUnit.MILLISECONDS).build());
            ContentType type = ContentType.parse(call.type());
            post.setEntity(call.chunked()
                ? new InputStreamEntity(new ByteArrayInputStream(body), -1, type) : new ByteArrayEntity(body, type));
            if (call.close()) post.setHeader("Connection", "close");
            try {
                return client.execute(post, answer -> new Answer(answer.getCode(), EntityUtils.toString(answer.getEntity())));
            } catch (SocketTimeoutException error) {
                throw new GaveUp();
            }
        };
    }

    static Poster posterOf(String name) {
        return switch (name) {
            case "java.net.http, default" -> jdk(HttpClient.newHttpClient());
            case "java.net.http, HTTP/1.1" -> jdk(HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build());
            case "HttpURLConnection" -> Client::urlConnection;
            case "OkHttp" -> okHttp();
            case "Apache HttpClient" -> apache();
            default -> throw new IllegalArgumentException(name);
        };
    }

    final Poster poster;
    final String url, folder;
    final long silenceMs;

    Client(Poster poster, String url, String folder, long silenceMs) {
        this.poster = poster;
        this.url = url;
        this.folder = folder;
        this.silenceMs = silenceMs;
    }

    Answer post(String name, Call call) throws Exception {
        return poster.post(url + "/" + call.path(), Files.readAllBytes(Path.of(folder, name + ".json")), call);
    }

    void expect(String name, Call call, int wanted, String part) throws Exception {
        Answer answer = post(name, call);
        String text = answer.text();
        if (answer.status() != wanted) {
            throw new IOException(answer.status() + " in place of " + wanted + ": " + text.substring(0, Math.min(200, text.length())));
        }
        if (!text.contains(part)) {
            throw new IOException("not in the answer: " + part.substring(0, Math.min(60, part.length())));
        }
    }

    void call() throws Exception {
        expect("call", Call.ORDINARY, 200, "aGVsbG8=");
    }

    void parallel() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(20);
        try {
            List<Callable<Void>> calls = new ArrayList<>();
            for (int i = 0; i < 20; i++) calls.add(() -> { call(); return null; });
            for (Future<Void> one : threads.invokeAll(calls)) one.get();
        } finally {
            threads.shutdown();
        }
    }

    void abort() throws Exception {
        try {
            post("slow", new Call("patient", "application/json", 300, false, false));
        } catch (GaveUp error) {
            call();
            return;
        }
        throw new IOException("it did not give up");
    }

    void run(String name) throws Exception {
        switch (name) {
            case "call" -> call();
            case "keepalive" -> { for (int i = 0; i < 200; i++) call(); }
            case "parallel" -> parallel();
            case "upload" -> {
                String sent = Files.readString(Path.of(folder, "upload.json"));
                int at = sent.lastIndexOf("\"text\": \"") + 9;
                expect("upload", Call.ORDINARY, 200, sent.substring(at, sent.indexOf('"', at)));
            }
            case "error" -> { expect("bad", Call.ORDINARY, 400, "\"errors\""); call(); }
            case "slow" -> expect("slow", new Call("patient", "application/json", 60000, false, false), 200, "\"payload\"");
            case "abort" -> abort();
            case "charset" -> expect("call", new Call("echo", "application/json; charset=utf-8", 60000, false, false), 200, "aGVsbG8=");
            case "chunked" -> expect("call", new Call("echo", "application/json", 60000, true, false), 200, "aGVsbG8=");
            case "silence" -> { call(); Thread.sleep(silenceMs); call(); }
            case "early" -> expect("early", new Call("nobody", "application/json", 60000, false, true), 404, "\"header\"");
            default -> throw new IOException("no such case");
        }
    }

    public static void main(String[] arguments) {
        long silenceMs = (long) (Double.parseDouble(arguments[3]) * 1000);
        Client client = new Client(posterOf(arguments[0]), arguments[1], arguments[2], silenceMs);
        for (int i = 4; i < arguments.length; i++) {
            try {
                client.run(arguments[i]);
                System.out.println(arguments[i] + "\tok");
            } catch (Exception error) {
                String text = String.valueOf(error).replaceAll("\\s+", " ");
                System.out.println(arguments[i] + "\tfailed\t" + text.substring(0, Math.min(300, text.length())));
            }
        }
        System.exit(0);
    }
}
