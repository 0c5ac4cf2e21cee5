import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;

/** Does what hostile.py does, in Java; of its attempts those that a JVM has words for. */
public class Hostile implements Function<String, String> {
    @Override
    public String apply(String told) {
        int space = told.indexOf(' ');
        String what = space < 0 ? told : told.substring(0, space);
        String about = told.substring(space + 1);
        try {
            return attempt(what, about) ? "ok" : "refused";
        } catch (IOException e) {
            return "refused";
        }
    }

    private static boolean attempt(String what, String about) throws IOException {
        switch (what) {
            case "list":
                Files.list(Path.of(about)).close();
                return true;
            case "read":
                Files.newInputStream(Path.of(about)).close();
                return true;
            case "make":
                Files.createTempFile("hostile", about);
                return true;
            case "end":
                return ProcessHandle.of(Long.parseLong(about)).orElseThrow().destroyForcibly();
            case "listen":
                new ServerSocket(Integer.parseInt(about), 1, InetAddress.getLoopbackAddress()).close();
                return true;
            case "connect":
                new Socket(InetAddress.getLoopbackAddress(), Integer.parseInt(about)).close();
                return true;
            default:
                throw new IllegalArgumentException(what);
        }
    }
}
