// A long-lived JVM that tests talk to: one JSON command per line on standard input, one JSON answer per line on standard
// output, matched by id. Commands run side by side; the JVM ends when its standard input is closed.
// It uses Kafka's own Java client and tools and shares no code with the agent: it is the judge.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.kafka.clients.admin.Admin;

public final class ProbeMain {
    interface Command {
        Object run(JsonNode params) throws Exception;
    }

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, Command> COMMANDS = new LinkedHashMap<>();

    /** Argument: bootstrap servers. */
    public static void main(String[] args) throws IOException {
        PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err);
        register(args[0]);
        ExecutorService workers = Executors.newCachedThreadPool();
        answer(answers, Map.of("id", 0, "result", "ready"));
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = input.readLine()) != null; ) {
            JsonNode request = JSON.readTree(line);
            workers.execute(() -> answer(answers, run(request)));
        }
        Runtime.getRuntime().halt(0);
    }

    private static void register(String bootstrap) {
        Admin admin = admin(bootstrap);
        Topics topics = new Topics(admin);
        COMMANDS.put("createTopic", topics::create);
        COMMANDS.put("deleteTopic", topics::delete);
        COMMANDS.put("deleteRecords", topics::deleteRecords);
        COMMANDS.put("alterTopicConfig", topics::alterConfig);
        COMMANDS.put("alterBrokerConfig", topics::alterBrokerConfig);
        COMMANDS.put("addPartitions", topics::addPartitions);
        COMMANDS.put("describeTopic", topics::describe);
        COMMANDS.put("offsets", topics::offsets);
        Access access = new Access(admin);
        COMMANDS.put("setScramPassword", access::setScramPassword);
        COMMANDS.put("allow", access::allow);
        BulkProducer bulk = new BulkProducer(bootstrap);
        COMMANDS.put("produce", bulk::produce);
        ExplicitProducer explicit = new ExplicitProducer(bootstrap);
        COMMANDS.put("produceRecords", explicit::produceRecords);
        COMMANDS.put("txBegin", explicit::begin);
        COMMANDS.put("txSend", explicit::send);
        COMMANDS.put("txEnd", explicit::end);
        COMMANDS.put("closeOpen", explicit::closeOpen);
        COMMANDS.put("playScript", new Script(bootstrap)::play);
        Digest digest = new Digest(bootstrap);
        COMMANDS.put("digest", digest::run);
        COMMANDS.put("records", new RecordLister(bootstrap)::list);
        COMMANDS.put("listTopic", new TopicLister(bootstrap)::list);
        COMMANDS.put("keyPartition", KeyPartition::choose);
        COMMANDS.put("dumpLogSegments", LogDump::run);
    }

    private static Admin admin(String bootstrap) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("reconnect.backoff.max.ms", "500");
        return Admin.create(config);
    }

    private static Map<String, Object> run(JsonNode request) {
        Map<String, Object> response = new LinkedHashMap<>();
        response.put("id", request.path("id").asLong());
        String method = request.path("method").asText();
        try {
            Command command = COMMANDS.get(method);
            if (command == null) throw new IllegalArgumentException("no command " + method);
            response.put("result", command.run(request.path("params")));
        } catch (Throwable thrown) {
            Throwable error = thrown instanceof ExecutionException && thrown.getCause() != null ? thrown.getCause() : thrown;
            error.printStackTrace();
            response.put("error", error.getClass().getSimpleName() + ": " + error.getMessage());
        }
        return response;
    }

    private static void answer(PrintStream answers, Map<String, Object> response) {
        String line;
        try {
            line = JSON.writeValueAsString(response);
        } catch (IOException error) {
            line = "{\"id\":" + response.get("id") + ",\"error\":\"unprintable answer\"}";
        }
        synchronized (answers) {
            answers.println(line);
            answers.flush();
        }
    }
}
