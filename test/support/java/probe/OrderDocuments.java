// Order documents as a shop would write them: ids, names, addresses, timestamps, prices; about 0.7 KB of JSON, of which
// zstd -3 keeps about a quarter. Document n is a function of the seed and n alone.
package probe;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;

final class OrderDocuments {
    private static final byte[][] GIVEN = words("Anna Ben Chloé Dmitri Elif Farid Greta Hiro Ines Jonas Katarzyna Liam Mei Noah "
        + "Olga Pavel Quentin Rosa Søren Tomás Uma Viktor Wen Ximena Yusuf Zoë Amara Björn Carmen Dilan Emeka Fatima");
    private static final byte[][] FAMILY = words("Müller Smith García Rossi Nowak Tanaka Kim Silva Ivanov Dubois Jensen Novák "
        + "Okafor Haddad Yılmaz Chen Patel Murphy Kowalski Andersson Weber Moreau Costa Papadopoulos Horvat Schmidt Fischer Lopez");
    private static final byte[][] STREETS = words("Hauptstraße Station_Road Rue_de_la_Paix Via_Roma Calle_Mayor Lindenallee High_Street "
        + "Parkweg Church_Lane Kirchgasse Avenida_Central Mill_Road Bahnhofstraße Queen_Street Długa Strandvejen");
    private static final byte[][] CITIES = words("Berlin London Paris Roma Madrid Lisboa Praha Wien København Stockholm Dublin Kraków "
        + "Athína Zagreb Osaka Seoul İstanbul São_Paulo Lagos Toronto");
    private static final byte[][] COUNTRIES = words("DE GB FR IT ES PT CZ AT DK SE IE PL GR HR JP KR TR BR NG CA");
    private static final byte[][] GOODS = words("Desk_lamp Coffee_grinder Wool_blanket Notebook_A5 Running_shoes Cast_iron_pan USB-C_cable "
        + "Water_bottle Rain_jacket Headphones Board_game Garden_hose Tea_kettle Backpack_30L Bicycle_light Phone_case Yoga_mat "
        + "Cutting_board Alarm_clock Travel_pillow Screwdriver_set Bath_towel Wall_clock Paint_brush");
    private static final byte[][] STATUSES = words("CREATED PAID PAID PAID PACKED SHIPPED SHIPPED DELIVERED DELIVERED RETURNED");
    private static final byte[][] METHODS = words("card card card paypal invoice sepa_debit");
    private static final byte[][] CURRENCIES = words("EUR EUR EUR USD GBP JPY");
    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

    private final long seed;
    private final int valueBytes;
    private byte[] out = new byte[4096];
    private int used;
    private long state;

    /** @param valueBytes exact size of every document, padded with lines and a note; 0: as they come (600 to 750 or so) */
    OrderDocuments(long seed, int valueBytes) {
        this.seed = seed;
        this.valueBytes = valueBytes;
    }

    /** A number in [0, bound) that belongs to document `index` but does not influence it. */
    long number(long index, long bound) {
        return Long.remainderUnsigned(mix(mix(seed ^ 0x5DEECE66DL) + index), bound);
    }

    byte[] value(long index, long timestampMs) {
        used = 0;
        state = mix(mix(seed) + index);
        text("{\"order_id\":\"").uuid().text("\",\"number\":").decimal(100_000_000 + index);
        text(",\"status\":\"").pick(STATUSES).text("\",\"created_at\":\"").instant(timestampMs - below(5000));
        customer();
        payment();
        int lines = 1 + (int) below(2);
        text(",\"items\":[");
        for (int line = 0; line < lines || (valueBytes > 0 && used + 400 < valueBytes); line++) item(line);
        text("],\"total\":").money(20_000 + below(400_000));
        if (valueBytes > 0) note();
        text("}");
        return valueBytes > 0 ? Arrays.copyOf(out, valueBytes) : Arrays.copyOf(out, used);
    }

    private void customer() {
        byte[] given = GIVEN[(int) below(GIVEN.length)];
        byte[] family = FAMILY[(int) below(FAMILY.length)];
        int place = (int) below(CITIES.length);
        text("\",\"customer\":{\"id\":").decimal(1_000_000 + below(8_000_000)).text(",\"name\":\"").bytes(given).text(" ").bytes(family);
        text("\",\"email\":\"").bytes(given).text(".").bytes(family).decimal(below(100)).text("@mail.example\",\"phone\":\"+");
        decimal(10_000_000_000L + below(80_000_000_000L)).text("\"}");
        text(",\"address\":{\"street\":\"").pick(STREETS).text("\",\"house\":").decimal(1 + below(180));
        text(",\"zip\":\"").decimal(10_000 + below(85_000)).text("\",\"city\":\"").bytes(CITIES[place]);
        text("\",\"country\":\"").bytes(COUNTRIES[place]).text("\"}");
    }

    private void payment() {
        text(",\"payment\":{\"method\":\"").pick(METHODS).text("\",\"currency\":\"").pick(CURRENCIES);
        text("\",\"auth\":\"").hex(12).text("\",\"captured\":").text(below(10) == 0 ? "false" : "true");
        text("},\"ip\":\"").decimal(1 + below(223)).text(".").decimal(below(256)).text(".").decimal(below(256)).text(".").decimal(below(256));
        text("\",\"trace_id\":\"").hex(16).text("\",\"signature\":\"").hex(16).hex(16).hex(16).hex(16).text("\"");
    }

    private void item(int line) {
        int product = (int) (below(GOODS.length) * below(GOODS.length) / GOODS.length);
        if (line > 0) text(",");
        text("{\"sku\":\"SKU-").decimal(10_000 + product * 37L).text("\",\"name\":\"").bytes(GOODS[product]);
        text("\",\"quantity\":").decimal(1 + below(4)).text(",\"price\":").money(199 + product * 450L + below(200) * 10);
        text("}");
    }

    private void note() {
        text(",\"note\":\"");
        while (used < valueBytes - 2) pick(GOODS).text(" ");
        used = Math.max(0, valueBytes - 2);
        for (int back = used; back > 0 && out[back - 1] < 0; back--) out[back - 1] = '.';
        text("\"");
    }

    private OrderDocuments instant(long timestampMs) {
        return text(Instant.ofEpochMilli(timestampMs).toString());
    }

    private OrderDocuments money(long cents) {
        decimal(cents / 100).text(".");
        return text(cents % 100 < 10 ? "0" : "").decimal(cents % 100);
    }

    private OrderDocuments uuid() {
        return hex(8).text("-").hex(4).text("-4").hex(3).text("-a").hex(3).text("-").hex(12);
    }

    private OrderDocuments hex(int digits) {
        long bits = next();
        reserve(digits);
        for (int digit = 0; digit < digits; digit++, bits >>>= 4) out[used++] = HEX[(int) (bits & 15)];
        return this;
    }

    private OrderDocuments decimal(long number) {
        reserve(20);
        int digits = 1;
        for (long rest = number; rest >= 10; rest /= 10) digits++;
        used += digits;
        for (int position = used; digits > 0; digits--, number /= 10) out[--position] = (byte) ('0' + number % 10);
        return this;
    }

    private OrderDocuments pick(byte[][] words) {
        return bytes(words[(int) below(words.length)]);
    }

    @SuppressWarnings("deprecation") // the Latin-1 copy: all literals here are ASCII
    private OrderDocuments text(String ascii) {
        int length = ascii.length();
        reserve(length);
        ascii.getBytes(0, length, out, used);
        used += length;
        return this;
    }

    private OrderDocuments bytes(byte[] word) {
        reserve(word.length);
        System.arraycopy(word, 0, out, used, word.length);
        used += word.length;
        return this;
    }

    private void reserve(int size) {
        if (used + size > out.length) out = Arrays.copyOf(out, Math.max(used + size, 2 * out.length));
    }

    private long below(long bound) {
        return Long.remainderUnsigned(next() >>> 1, bound);
    }

    private long next() {
        return mix(state += 0x9E3779B97F4A7C15L);
    }

    /** The finalizer of SplitMix64. */
    private static long mix(long value) {
        value = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
        value = (value ^ (value >>> 27)) * 0x94D049BB133111EBL;
        return value ^ (value >>> 31);
    }

    private static byte[][] words(String list) {
        return Arrays.stream(list.split(" ")).map(word -> word.replace('_', ' ').getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
    }
}
