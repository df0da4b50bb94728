//! Given names and surnames from which people are invented.
//!
//! Invariant: at least 300 distinct given names and 500 distinct surnames (`check` counts them); none is an English
//! word that could open a sentence of this data, so that a name outside a span is always a mistake.
//! An underscore stands for a space inside a name. Names are common ones; no pair is meant to be a real person.

/// One culture's lists, separated by white space.
pub(crate) struct Culture {
    /// Given names, of women, of men and neutral ones.
    pub(crate) given: &'static str,
    /// Surnames.
    pub(crate) surnames: &'static str,
}

/// All lists.
pub(crate) const CULTURES: &[Culture] = &[
    Culture {
        given: "Alice Oliver Charlotte George Harriet Edmund Imogen Rupert Robin Beatrix Simon Heather Alfie Morgan
            Tabitha Leonard Freya Hugo Quentin Rosalind",
        surnames:
            "Ashworth Bickerstaff Cartwright Dunstable Eversley Fairclough Greenhalgh Hathersage Illingworth Jessop
            Kettlewell Lockwood Merriweather Nettleton Oakeshott Pemberton Quigley Ravenscroft Standish Thistlewood
            Underhill Venables Wolstenholme Yardley Blenkinsop Crabtree Dewhurst Entwistle Finchley Gathercole",
    },
    Culture {
        given: "Aoife Cillian Niamh Eoin Saoirse Declan Orla Fergus Mairead Lachlan Catriona Hamish Rhiannon Gethin
            Carys Emrys Bronwen Ewan",
        surnames: "O'Sullivan Gallagher MacNamara Kavanagh Ó_Briain Fitzgerald McCafferty Doherty Mulligan Breathnach
            MacKinnon Galbraith Urquhart Buchanan Colquhoun Farquharson Abernethy Drummond Llewellyn Pritchard
            Gwynne Cadwallader Trevithick Penhaligon Bevan Prosser Tregenza McIlroy",
    },
    Culture {
        given: "Anneliese Jürgen Heike Matthias Friederike Dieter Ulrike Kai Sören Gudrun Wolfgang Liesel Thorsten
            Mareike Pieter Saskia Joost Femke",
        surnames: "Müller Schwarzenberg Kaltenbrunner Vogelsang Hoffmeister Krüger Lindemann Böttcher Zimmermann
            Steinhauer Oberländer Wiesenthal Grünewald Schäfer Dietrich Rosenkranz Hasselbeck van_der_Berg de_Vries
            Hoogendoorn Kuipers van_Dijk Nijland Verhoeven Bakker Terpstra Weißmann Pfeiffer Auerbach",
    },
    Culture {
        given: "Amélie Thibault Camille Benoît Solène Étienne Margaux Gaspard Élodie Olivier Maëlle Rémi Claude
            Ghislaine Lucien Coralie Yannick Noémie",
        surnames: "Beaumont Lefèvre Charpentier Desrosiers Fontaine Girardot Lachance Marchand Perrault Rousselot
            Tremblay Vaillancourt Delacroix Boisvert Chevalier Duchesne Gagnon Hébert Jolicoeur Lemaître Montclair
            Pelletier Quesnel Savard Thériault Villeneuve de_la_Tour Besançon",
    },
    Culture {
        given: "Lucía Javier Marisol Íñigo Ximena Rodrigo Guadalupe Ernesto Pilar Álvaro Rocío Joaquín Itziar Leonel
            Valentina Cruz Esteban Noelia",
        surnames: "García Villanueva Echeverría Castellanos Montoya Ibáñez Carrasco Zúñiga Peñalver Arriaga Quintana
            Valdés Escobedo Fuentes Olivares Saavedra Urrutia Machado Benavides Cisneros de_la_Vega Barrientos
            Etxeberria Goikoetxea Luján Noriega Palomares Rentería Sandoval Tejada",
    },
    Culture {
        given: "João Beatriz Thiago Conceição Rafaela Duarte Inês Vasco Luana Caetano Iara Gonçalo Filipa Anselmo
            Jandira Nuno",
        surnames:
            "Carvalho Figueiredo Albuquerque Magalhães Guimarães Teixeira Nascimento Cavalcanti Queirós Vasconcelos
            de_Souza Monteiro Assunção Rebelo Tavares Sequeira Bragança Coutinho Falcão Lacerda Medeiros Noronha
            Pimentel Siqueira Valadares Xavier",
    },
    Culture {
        given: "Giulia Lorenzo Chiara Matteo Ginevra Salvatore Fiorella Ettore Donatella Enzo Raffaella Niccolò Ilaria
            Gennaro Serafina Andrea",
        surnames: "Bianchi Esposito Colombo Ferraro Mancini Santangelo Pellegrino Caruso Lombardi Barbieri Fontanelli
            Guerrini Marchetti Rinaldi Sorrentino Testaverde Vitale Zanetti D'Angelo Di_Benedetto Lo_Presti Cattaneo
            Galvani Iacobucci Montefiore Pasquale",
    },
    Culture {
        given: "Astrid Björn Ingrid Håkon Sigrid Lars Solveig Mikkel Ylva Einar Aino Eero Kaisa Jukka Runa Gunnar
            Maren Rasmus",
        surnames: "Lindqvist Bergström Østergaard Haugen Nyström Sørensen Kjeldsen Halvorsen Åkesson Dahlberg Ekström
            Fredriksen Gustafsson Hedlund Isaksson Johansen Korhonen Lehtonen Mäkinen Nieminen Pálsdóttir Rantanen
            Sjöberg Tuominen Virtanen Winther Ylönen Þórsson",
    },
    Culture {
        given: "Agnieszka Bartosz Kateřina Miloš Zuzanna Wojciech Ludmila Jaroslav Małgorzata Tadeusz Oksana Bohdan
            Yelena Grigor Danica Vojtěch Svetlana Nikita",
        surnames: "Kowalczyk Wiśniewski Zieliński Nowakowska Jabłoński Dąbrowska Szymański Havlíček Dvořák Procházka
            Němcová Svoboda Kratochvíl Shevchenko Bondarenko Kovalenko Tkachuk Petrenko Sokolov Morozova Lebedev
            Kuznetsova Vasilenko Horváth Szabó Nagy Kovács Balogh",
    },
    Culture {
        given: "Eleni Stavros Despina Kostas Zoran Jelena Goran Mirjana Besnik Arta Emre Ayşe Defne Orhan Elif Deniz
            Ioana Radu",
        surnames: "Papadopoulos Karagiannis Theodorakis Stavropoulou Andreadis Kazantzakis Petrović Jovanović Stanković
            Marković Horvat Babić Krasniqi Hoxha Berisha Yılmaz Demirel Kaya Özdemir Çelik Arslan Şahin Popescu
            Ionescu Dumitrescu Munteanu Georgiev Dimitrova",
    },
    Culture {
        given: "Layla Omar Fatima Tariq Noor Yusuf Zeynab Karim Shirin Darius Parisa Kaveh Amina Khalid Salma Rashid
            Dunya Nabil Reza Yasmin",
        surnames:
            "Al-Farsi Haddad Khoury El-Masri Mansour Nasser Shaheen Al-Rashidi Bouazizi Benali Chaoui Darwish Fayed
            Ghazali Hamdan Ibrahimi Jaziri Kassem Mahfouz Qasim Sabbagh Tahiri Zidane Farahani Hosseini Karimi
            Moradi Rostami Tehrani Shirazi",
    },
    Culture {
        given:
            "Priya Arjun Ananya Vikram Deepika Rohan Lakshmi Sanjay Meera Imran Ayesha Farhan Nadeesha Kiran Harpreet
            Gurpreet Tenzin Rukhsana Sunil Kavya",
        surnames: "Krishnamurthy Banerjee Chatterjee Deshpande Iyer Subramaniam Patwardhan Raghunathan Venkataraman
            Mukherjee Kulkarni Bhattacharya Chaudhry Siddiqui Qureshi Hussaini Malik Rahman Sandhu Dhillon Gill
            Grewal Wickramasinghe Jayawardena Perera Gunasekara Thapa Gurung Shrestha Tamang Nair Menon",
    },
    Culture {
        given: "Wei Xiuying Jun Mei-Ling Haoran Yuxin Zhiqiang Lihua Xiaoming Siu-Fan Chun-Hei Ruolan Bowen Jiayi
            Tianyu Meihui",
        surnames:
            "Zhang Huang Ouyang Xiang Cheung Leung Zhou Guo Shen Jiang Xu Fang Tsang Kwok Lau Szeto Zhao Qian Hsieh
            Chiang Tsai Lüliang Zheng Pan Deng Cao Yuen Fung",
    },
    Culture {
        given: "Haruki Sakura Kenji Aiko Takumi Yoko Daichi Emiko Ren Naoko Min-jun Seo-yeon Ji-woo Hyun-ki Eun-ji
            Tae-yang Soo-min Kaori",
        surnames: "Takahashi Watanabe Nakamura Kobayashi Yoshida Matsumoto Fujiwara Ishikawa Hasegawa Nishimura Okamoto
            Shimizu Tanaka Uchida Yamaguchi Kuroda Hayashi Morimoto Kwon Hwang Jeong Seong Namgung Choi Baek Ryu
            Shin Moon",
    },
    Culture {
        given: "Thuy Minh Linh Quang Huong Duc Arisara Somchai Niran Dewi Budi Putri Agus Siti Jovelyn Rodelio Maricel
            Datu",
        surnames: "Nguyen Tran Pham Hoang Vo Dang Bui Huynh Suwannarat Chaiyasit Phongphan Srisai Wijaya Santoso
            Hartono Setiawan Kusuma Abdullah Bacolod Dimaculangan Macaraeg Pangilinan Magsaysay Batungbakal
            Tolentino Vergara Sukarno Nasution",
    },
    Culture {
        given: "Adaeze Chukwuemeka Folasade Babajide Ngozi Olumide Yetunde Ikenna Kwame Abena Kofi Esi Mamadou Aissatou
            Ousmane Fatoumata Nana Temitope",
        surnames: "Okafor Adeyemi Nwosu Okonkwo Balogun Eze Ogunleye Abiodun Olatunji Uzoma Mensah Boateng Asante Owusu
            Osei Agyeman Diallo Traoré Keïta Camara Ndiaye Sarr Cissé Touré Koné Sow Bello Danjuma",
    },
    Culture {
        given: "Wanjiru Kamau Achieng Otieno Almaz Tesfaye Selam Bekele Thandiwe Sipho Nomvula Themba Lerato Tendai
            Rudo Farai Chipo Amahle",
        surnames: "Mwangi Odhiambo Kariuki Njoroge Wambui Mutua Kipchoge Cheruiyot Gebreselassie Haile Tadesse Abebe
            Woldemariam Dlamini Nkosi Mthembu Khumalo Zulu Ndlovu Moyo Chikwanha Mugabe Phiri Banda Mwale Tshabalala
            Mokoena Rakotomalala",
    },
    Culture {
        given: "Tamsin Malachi Keisha Deshawn Latoya Tyrell Avi Shoshana Yael Noam Leilani Keoni Aroha Wiremu Talia
            Sefa Nizhoni Koda Ariel Kehinde",
        surnames: "Abramowitz Ben-David Feldman Goldfarb Katzenelson Rabinovich Shapiro Weinstein Kalani Kealoha
            Mahoe Nakoa Tamihana Ngata Parata Tuilagi Faleolo Begaye Yellowhorse Tsosie Whitefeather Boudreaux
            Thibodeaux Broussard Hathaway Lockhart Merriman Stallworth Tillman Washburn",
    },
];

/// The names of one list, in order.
pub(crate) fn split(list: &'static str) -> Vec<String> {
    list.split_whitespace().map(|name| name.replace('_', " ")).collect()
}

/// The name in lower-case ASCII letters, as it would stand in an address. None if a letter has no plain form here.
pub(crate) fn ascii(name: &str) -> Option<String> {
    let mut plain = String::new();
    for letter in name.chars() {
        match letter {
            ' ' | '\'' | '-' => {}
            'a'..='z' | 'A'..='Z' => plain.push(letter.to_ascii_lowercase()),
            'Á' | 'á' | 'ã' | 'å' | 'Å' | 'ą' | 'ä' | 'â' => plain.push('a'),
            'ć' | 'ç' | 'Ç' => plain.push('c'),
            'É' | 'é' | 'è' | 'ë' | 'ê' | 'ě' => plain.push('e'),
            'Í' | 'í' | 'ï' | 'î' | 'ı' => plain.push('i'),
            'ł' => plain.push('l'),
            'ñ' | 'ń' => plain.push('n'),
            'Ó' | 'ó' | 'ö' | 'Ö' | 'ø' | 'Ø' | 'ô' | 'ò' => plain.push('o'),
            'ř' => plain.push('r'),
            'š' | 'ş' | 'Ş' | 'ś' => plain.push('s'),
            'ú' | 'ü' | 'ů' => plain.push('u'),
            'ž' | 'ź' => plain.push('z'),
            'ß' => plain.push_str("ss"),
            'Þ' => plain.push_str("th"),
            'č' => plain.push('c'),
            _ => return None,
        }
    }
    Some(plain)
}
