// A Kafka broker in one JVM: formats its storage if that is still blank, then runs kafka.Kafka.
// It ends, and deletes its data, when its standard input is closed: a broker never outlives the test that started it,
// not even a test that was killed.
package probe;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

public final class BrokerMain {
    /** Arguments: cluster id, server.properties, data directory (holds meta.properties once it is formatted), directory to delete. */
    public static void main(String[] args) {
        String clusterId = args[0];
        String properties = args[1];
        Path data = Path.of(args[2]);
        endWithStandardInput(Path.of(args[3]));
        if (!Files.exists(data.resolve("meta.properties"))) {
            String[] format = {"format", "-t", clusterId, "-c", properties};
            int status = kafka.tools.StorageTool.execute(format, new PrintStream(System.err, true));
            if (status != 0) Runtime.getRuntime().halt(status);
        }
        kafka.Kafka.main(new String[] {properties});
    }

    private static void endWithStandardInput(Path temporary) {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException closed) {
                // the same as the end of the input
            }
            deleteTree(temporary);
            Runtime.getRuntime().halt(1);
        }, "standard-input");
        watch.setDaemon(true);
        watch.start();
    }

    private static void deleteTree(Path root) {
        try (Stream<Path> paths = Files.walk(root)) {
            paths.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        } catch (IOException | RuntimeException gone) {
            // what cannot be deleted stays in the system's temporary directory
        }
    }
}
