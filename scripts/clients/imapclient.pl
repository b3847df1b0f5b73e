# Mail::IMAPClient against a demo server: a message written, searched, flagged, sorted, threaded, copied, moved and removed.
use strict;
use warnings;
use Mail::IMAPClient;

my $user = shift // 'user9@demo.test';
my $m = Mail::IMAPClient->new(
    Server => '127.0.0.1', Port => $ENV{OFFSET} + 143, User => $user, Password => 'demo', Uid => 1, Timeout => 20,
) or die "sign-in: $@";
sub expect { my ($ok, $what) = @_; die "FAILED: $what: " . ($m->LastError // '') . "\n" unless $ok }

expect($m->create('Perl'), 'CREATE');
expect($m->select('Perl'), 'SELECT');
for my $n (1 .. 5) {
    expect($m->append_string('Perl', "From: p$n\@example.org\r\nSubject: number $n\r\nMessage-ID: <$n\@perl>\r\n\r\nText $n.\r\n"), "APPEND $n");
}
my @uids = $m->messages;
expect(@uids == 5, 'five messages, not ' . @uids);
expect(join(' ', $m->search('SUBJECT', 'number 3')) eq $uids[2], 'SEARCH');
expect($m->message_string($uids[1]) =~ /Text 2/, 'a message as it was');
expect($m->subject($uids[4]) eq 'number 5', 'subject');
expect($m->see($uids[0]) && grep({ $_ eq '\\Seen' } $m->flags($uids[0])), 'flags');
expect(join(' ', $m->sort('REVERSE SUBJECT', 'UTF-8', 'ALL')) eq join(' ', reverse @uids), 'SORT');
expect(@{ $m->thread('REFERENCES', 'UTF-8', 'ALL') } == 5, 'THREAD');
expect($m->copy('Archive', $uids[0]) || ($m->create('Archive') && $m->copy('Archive', $uids[0])), 'COPY');
expect($m->move('Archive', $uids[1]) && $m->expunge, 'move');
expect($m->message_count('Perl') == 4 && $m->message_count('Archive') == 2, 'counts');
expect($m->delete_message($uids[2]) && $m->expunge && $m->message_count('Perl') == 3, 'EXPUNGE');
expect(defined $m->get_envelope($uids[3]), 'ENVELOPE');
expect(defined $m->get_bodystructure($uids[3]), 'BODYSTRUCTURE');
expect($m->rename('Perl', 'Camel') && $m->exists('Camel'), 'RENAME');
my $idle = $m->idle or die 'IDLE';
expect($m->done($idle), 'DONE');
expect($m->logout, 'LOGOUT');
