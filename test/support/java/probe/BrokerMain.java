// A Kafka broker in one JVM: formats its storage if that is still blank, then runs kafka.Kafka.
// It ends, and deletes its data, when its standard input is closed: a broker never outlives the test that started it,
// not even a test that was killed. A line of that input names a file that is to get the number of Fetch requests so far.
package probe;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.stream.Stream;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

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
            try (BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
                for (String file = lines.readLine(); file != null; file = lines.readLine()) writeFetchRequests(Path.of(file));
            } catch (IOException closed) {
                // the same as the end of the input
            }
            deleteTree(temporary);
            Runtime.getRuntime().halt(1);
        }, "standard-input");
        watch.setDaemon(true);
        watch.start();
    }

    /** The file appears whole. There is a meter for each version of the request; none before the first. */
    private static void writeFetchRequests(Path file) throws IOException {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        long count = 0;
        try {
            ObjectName meters = new ObjectName("kafka.network:type=RequestMetrics,name=RequestsPerSec,request=Fetch,*");
            for (ObjectName meter : server.queryNames(meters, null)) count += (Long) server.getAttribute(meter, "Count");
        } catch (JMException impossible) {
            throw new IllegalStateException(impossible);
        }
        Path unfinished = file.resolveSibling(file.getFileName() + ".unfinished");
        Files.writeString(unfinished, Long.toString(count));
        Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE);
    }

    private static void deleteTree(Path root) {
        try (Stream<Path> paths = Files.walk(root)) {
            paths.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        } catch (IOException | RuntimeException gone) {
            // what cannot be deleted stays in the system's temporary directory
        }
    }
}
