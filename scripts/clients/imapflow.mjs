// npm imapflow against a demo server: reads, flags, moves, deletes, and is told of news.
import { ImapFlow } from 'imapflow';
import { readFileSync } from 'node:fs';

const port = Number(process.env.OFFSET) + 993;
const connect = async () => {
    const client = new ImapFlow({
        host: 'localhost', port, secure: true, logger: false,
        tls: { ca: readFileSync(process.env.SSL_CERT_FILE) },
        auth: { user: 'bob@demo.test', pass: 'demo' },
    });
    await client.connect();
    return client;
};
const expect = (condition, what) => {
    if (!condition) {
        console.error('FAILED:', what);
        process.exit(1);
    }
};

const client = await connect();
const boxes = await client.list({ statusQuery: { messages: true, unseen: true } });
expect(boxes.some(b => b.specialUse === '\\Sent') && boxes.find(b => b.path === 'INBOX').status.messages > 0, boxes);

const lock = await client.getMailboxLock('INBOX');
const news = new Promise(resolve => client.once('exists', resolve));
const other = await connect();
const idling = client.idle();
const appended = await other.append('INBOX', 'Subject: grüße\r\nFrom: a@b.c\r\n\r\nHello\r\n', ['\\Flagged']);
expect((await news).path === 'INBOX', 'no news'); // the next command ends IDLE

const message = await client.fetchOne(String(appended.uid), { uid: true, envelope: true, bodyStructure: true, source: true, flags: true }, { uid: true });
expect(message.flags.has('\\Flagged') && message.bodyStructure.type === 'text/plain', message);
expect(message.source.toString().endsWith('Hello\r\n'), message.source);
await idling;

let count = 0;
for await (const m of client.fetch('1:*', { uid: true, envelope: true, flags: true, bodyStructure: true, size: true, internalDate: true })) {
    count += m.envelope && m.bodyStructure && m.size > 0 ? 1 : 0;
}
expect(count === client.mailbox.exists, `${count} of ${client.mailbox.exists}`);

await client.messageFlagsAdd(String(appended.uid), ['\\Seen', 'custom'], { uid: true });
const found = await client.search({ keyword: 'custom' }, { uid: true });
expect(found.length === 1 && found[0] === appended.uid, found);

await client.mailboxCreate(['Häuser', 'Alt']);
const moved = await client.messageMove(String(appended.uid), 'Häuser/Alt', { uid: true });
expect(moved.uidMap.get(appended.uid) === 1, moved);
await client.mailboxDelete('Häuser/Alt');
lock.release();
await other.logout();
await client.logout();
